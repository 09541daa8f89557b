/**
 * Sends HL7 v2 files by MLLP: each message of a file, or of a batch, in a frame of its own, one after the other on one
 * connection, so that order is kept and each has its acknowledgement.
 */
import { readFile } from 'node:fs/promises';
import { connectMllp, type MllpClient, type MllpPeer } from '../clients/mllp.ts';
import { asGatewayError } from '../core/errors.ts';
import { expectedAnswers, parseAck } from '../formats/hl7v2/ack.ts';
import { splitBatch } from '../formats/hl7v2/batch.ts';
import type { Sent } from './sent.ts';

/** A message and where it stood. */
export interface Hl7Item {
  /** `file`, or `file#3` in a file of several. */
  readonly path: string;
  readonly message: Buffer;
}

/** The messages of the files, and what could not be taken from them. */
export async function readHl7Files(
  paths: readonly string[],
): Promise<{ items: readonly Hl7Item[]; problems: readonly Sent[] }> {
  const items: Hl7Item[] = [];
  const problems: Sent[] = [];
  for (const path of paths) {
    const { messages, declaredCount } = splitBatch(await readFile(path));
    const problem =
      messages.length === 0
        ? 'no HL7 v2 message in it'
        : declaredCount !== undefined && declaredCount !== messages.length
          ? `its trailer counts ${declaredCount} messages, it holds ${messages.length}`
          : undefined;
    if (problem !== undefined) problems.push({ path, accepted: false, answer: 'not sent', problem });
    else
      for (const [i, message] of messages.entries())
        items.push({ path: messages.length === 1 ? path : `${path}#${i + 1}`, message });
  }
  return { items, problems };
}

/** Yields each acknowledgement. A connection that breaks is opened again for the next message, which the peer may have refused. */
export async function* sendHl7v2(peer: MllpPeer, items: readonly Hl7Item[]): AsyncGenerator<Sent, void, undefined> {
  let client: MllpClient | undefined;
  try {
    for (const { path, message } of items) {
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
  const problem = accepted ? undefined : `${condition}${ack.text ?? ''}`.trim();
  return { path, accepted, answer: ack.code, ...(problem === undefined || problem === '' ? {} : { problem }) };
}
