/** One item in a group of its own, for commands that add a document beside running gateways. */
import { GatewayError } from '../core/errors.ts';
import type { KeySet } from '../keys/key-set.ts';
import { signCheckpoint } from '../ledger/checkpoint.ts';
import { logAppender } from './append.ts';
import type { CommitItem, CommitStore } from './ports.ts';

/** Durable on return, with the leaf of the item's first document. Throws `busy` when it lost a race, and what the store throws. */
export async function commitAlone(
  store: CommitStore,
  keySet: KeySet,
  origin: string,
  item: CommitItem,
): Promise<number> {
  const signer = { name: origin, privateKey: keySet.log.privateKey, rawPublicKey: keySet.log.rawPublicKey };
  const appender = logAppender((size, root) => signCheckpoint(origin, size, root, signer));
  const digests = item.documents.map(({ digest }) => digest);
  const outcome = await store.commit([item], async (head, log) => appender.append(head, log, digests));
  if (outcome.kind !== 'committed') throw new GatewayError('busy', 'the ledger did not take the document; try again');
  return outcome.firstLeaf;
}
