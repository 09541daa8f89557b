/** What followers need of the store: their own durable cursors, and the DICOM instance messages in ledger order. */
import type { SystemPermit } from '../consent/permit.ts';
import type { LeafIndex } from '../core/ids.ts';

/** Durable positions of followers. A cursor may be set back (reset): every follower can run again over what it has seen. */
export interface CursorStore {
  /** Leaf from which the follower has not seen everything; 0 for a new one. Throws `unavailable`. */
  load(follower: string): Promise<LeafIndex>;
  /** Durable on return. Idempotent; several processes may save, each only what it has settled. */
  save(follower: string, next: LeafIndex): Promise<void>;
}

/** One `dicom-instance` message, still sealed. */
export interface InstanceRow {
  /** Leaf of its manifest. */
  readonly leaf: LeafIndex;
  /** Keyed hash of its study (`Submission.thread`). */
  readonly thread: string;
}

/** One `dicom-instance` message, opened. */
export interface OpenedInstance {
  readonly leaf: LeafIndex;
  /** The raw payload: the instance document as JSON. */
  readonly raw: Buffer;
}

export interface InstanceFeed {
  /**
   * The next messages at or after a leaf, ascending by leaf, at most `limit`; fewer than `limit` only when there are no more.
   * Everything below the last leaf returned is committed: a later call never finds a message below it. Throws `unavailable`.
   */
  after(from: LeafIndex, limit: number): Promise<readonly InstanceRow[]>;
  /** All messages of one study from a leaf on, ascending, opened in batches. Throws `unavailable`, `integrity`. */
  ofThread(permit: SystemPermit, thread: string, from: LeafIndex): AsyncIterable<OpenedInstance>;
}
