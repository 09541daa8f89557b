/** Sends DICOM files by C-STORE. Statuses of PS3.4 B.2.3: 0000 is success, Bxxx success with a warning. */
import { sendDicomFiles } from '../clients/dicom-files.ts';
import type { DicomPeer } from '../clients/dicom.ts';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import type { Sent } from './sent.ts';

/** Yields what became of each file. A peer that cannot be reached refuses all that remain. */
export async function* sendDicom(peer: DicomPeer, paths: readonly string[]): AsyncGenerator<Sent, void, undefined> {
  const remaining = new Set(paths);
  try {
    for await (const { path, result } of sendDicomFiles(peer, paths)) {
      remaining.delete(path);
      if (result instanceof GatewayError) {
        yield { path, accepted: false, answer: 'not sent', problem: result.message };
        continue;
      }
      const accepted = result.status === 0 || result.status >> 12 === 0xb;
      const answer = result.status.toString(16).padStart(4, '0').toUpperCase();
      yield { path, accepted, answer, ...(result.comment === undefined ? {} : { problem: result.comment }) };
    }
  } catch (thrown) {
    for (const path of remaining)
      yield { path, accepted: false, answer: 'no answer', problem: asGatewayError(thrown).message };
  }
}
