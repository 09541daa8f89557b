/**
 * What rendering a message needs of the store: its document, its sealed groups, and which messages made what. Ciphertext and
 * keyed digests only. Implemented by `storage/pg`.
 */
import type { GroupNumber, LeafIndex, ResourceKey } from '../core/ids.ts';
import type { StoredPayload } from '../write/ports.ts';

/** Reads of committed rows. None locks. Errors: `unavailable`, `timeout`. */
export interface MessageStore {
  /** A document of the log; undefined when there is no such leaf. */
  document(leaf: LeafIndex): Promise<Buffer | undefined>;
  payloads(groups: readonly GroupNumber[]): Promise<ReadonlyMap<GroupNumber, StoredPayload>>;
  /** Leaves, below one, of the messages that made versions of any of these resources; newest first. */
  leavesOf(resources: readonly ResourceKey[], below: number, limit: number): Promise<readonly LeafIndex[]>;
}
