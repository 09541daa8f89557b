/**
 * Sends HL7 v2 files by MLLP: each message of a file, or of a batch, in a frame of its own, one after the other on one
 * connection, so that order is kept and each has its acknowledgement.
 */
import { connectMllp, type MllpClient, type MllpPeer } from '../clients/mllp.ts';
import { asGatewayError } from '../core/errors.ts';
import { expectedAnswers, parseAck } from '../formats/hl7v2/ack.ts';
import type { Hl7Item } from './hl7v2-files.ts';
import type { Sent } from './sent.ts';

/** Yields each acknowledgement. A connection that breaks is opened again for the next message, which the peer may have refused. */
export async function* sendHl7v2(
  peer: MllpPeer,
  items: AsyncIterable<Hl7Item> | Iterable<Hl7Item>,
): AsyncGenerator<Sent, void, undefined> {
  let client: MllpClient | undefined;
  try {
    for await (const { path, message } of items) {
      try {
        client ??= await connectMllp(peer);
        if (expectedAnswers(message) > 0) {
          yield outcome(path, await client.send(message));
        } else {
          await client.post(message);
          yield { path, accepted: true, answer: 'none asked for' };
        }
      } catch (thrown) {
        client?.close();
        client = undefined;
        yield { path, accepted: false, answer: 'no answer', problem: asGatewayError(thrown).message };
      }
    }
  } finally {
    client?.close();
  }
}

function outcome(path: string, answer: Buffer): Sent {
  const ack = parseAck(answer);
  if (ack === undefined)
    return { path, accepted: false, answer: 'no acknowledgement', problem: 'the answer is not one' };
  const accepted = ack.code === 'AA' || ack.code === 'CA';
  const condition = ack.condition === undefined ? '' : `${ack.condition} `;
  const said = `${condition}${ack.text ?? ''}`.trim();
  return { path, accepted, answer: ack.code, ...(said !== '' && { [accepted ? 'warning' : 'problem']: said }) };
}
