/** The DICOM instance messages of the ledger, opened for the study follower (port: followers/ports `InstanceFeed`). */
import type { SystemPermit } from '../consent/permit.ts';
import { GatewayError } from '../core/errors.ts';
import { groupBy } from '../core/group-by.ts';
import type { LeafIndex } from '../core/ids.ts';
import type { Lockbox } from '../keys/lockbox.ts';
import { unsealGroup } from '../record/sealed-group.ts';
import type { Keyring } from '../write/keyring.ts';

/** Where messages of a thread stand, and their sealed payloads. Reads of committed rows; errors: `unavailable`. */
export interface ThreadStore {
  after(from: LeafIndex, limit: number): Promise<readonly { readonly leaf: LeafIndex; readonly thread: string }[]>;
  /** Payloads (blobs apart) of the next `limit` messages of a thread at or after a leaf, in ledger order. */
  payloads(thread: string, from: LeafIndex, limit: number): Promise<readonly ThreadPayload[]>;
}

export interface ThreadPayload {
  readonly leaf: LeafIndex;
  readonly lockbox: LeafIndex;
  readonly body: Buffer;
}

export interface ThreadMessage {
  readonly leaf: LeafIndex;
  readonly raw: Buffer;
}

const BATCH = 200;

/** All messages of a thread from a leaf on, ascending. The permit's reason must be `settle`. */
export async function* messagesOfThread(
  store: ThreadStore,
  keyring: Pick<Keyring, 'byLeaf'>,
  permit: SystemPermit,
  thread: string,
  from: LeafIndex,
): AsyncGenerator<ThreadMessage, void> {
  if (permit.reason !== 'settle') throw new GatewayError('forbidden', 'the permit is not for settling studies');
  for (let next = from; ;) {
    const payloads = await store.payloads(thread, next, BATCH);
    const byLeaf = groupBy(payloads, (payload) => payload.leaf);
    const boxes = await keyring.byLeaf(payloads.map((payload) => payload.lockbox));
    for (const [leaf, parts] of byLeaf) {
      yield { leaf, raw: Buffer.concat(parts.map((part) => openPart(boxes.get(part.lockbox), part.body))) };
      next = (leaf + 1) as LeafIndex;
    }
    if (byLeaf.size < BATCH) return;
  }
}

/** A raw part without the padding newlines that end it. */
function openPart(lockbox: Lockbox | undefined, body: Buffer): Buffer {
  if (lockbox === undefined) throw new GatewayError('integrity', 'the lockbox of a raw payload is missing');
  const { plaintext } = unsealGroup(lockbox.keyObject, body);
  let end = plaintext.length;
  while (end > 0 && plaintext[end - 1] === 0x0a) end -= 1;
  return plaintext.subarray(0, end);
}
