/** Cuts a command or a piece of a data set into P-DATA-TF PDUs that the peer takes (PS3.8 annex E). */
import { PDV_HEADER_BYTES, type DataTf } from './pdu.ts';

/** Largest PDU we send to a peer that announces no limit, bytes. */
const UNLIMITED_PDU_BYTES = 131_072;

/** Data bytes of one fragment for a peer that announced `maxPduBytes` (0: no limit). */
export function fragmentBytes(maxPduBytes: number): number {
  const most = maxPduBytes === 0 ? UNLIMITED_PDU_BYTES : Math.min(maxPduBytes, UNLIMITED_PDU_BYTES);
  return Math.max(most - PDV_HEADER_BYTES, 1);
}

export interface FragmentTarget {
  readonly context: number;
  readonly command: boolean;
  /** The peer's maximum length, bytes; 0: no limit. */
  readonly maxPduBytes: number;
}

/** The PDUs of `bytes`; the last one is marked when `last`. Empty bytes make one empty fragment when `last`, else none. */
export function* fragmentsOf(target: FragmentTarget, bytes: Buffer, last: boolean): Generator<DataTf, void, undefined> {
  const most = fragmentBytes(target.maxPduBytes);
  let at = 0;
  do {
    const end = Math.min(at + most, bytes.length);
    if (end === at && !last) return;
    const value = {
      context: target.context,
      command: target.command,
      last: last && end === bytes.length,
      data: bytes.subarray(at, end),
    };
    yield { type: 'P-DATA-TF', values: [value] };
    at = end;
  } while (at < bytes.length);
}
