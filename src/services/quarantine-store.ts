/**
 * What listing and reprocessing messages need of the store. Leaves, times and codes only. Implemented by `storage/pg`. Reads of
 * committed rows; none locks. Errors: `unavailable`, `timeout`.
 */
import type { LeafIndex } from '../core/ids.ts';

/** What a message in quarantine is chosen by; absent: any. */
export interface QuarantineFilter {
  /** Code of the reason. */
  readonly reason?: string;
  /** Number of the source (`sourceNumber`). */
  readonly source?: number;
  /** Received then or later, milliseconds since 1970. */
  readonly since?: number;
}

export interface QuarantineStore {
  /** Messages that wait, below a leaf, newest first. */
  openBelow(below: number, filter: QuarantineFilter, limit: number): Promise<readonly LeafIndex[]>;
  /** Messages that wait, from a leaf on, in the order in which they came. */
  openFrom(from: number, filter: QuarantineFilter, limit: number): Promise<readonly LeafIndex[]>;
  /** How many wait, by the code of the reason. */
  countOpen(filter: QuarantineFilter): Promise<ReadonlyMap<string, number>>;
  /** Of these messages those that were taken out of quarantine, with the leaf of the manifest that did. */
  reprocessed(leaves: readonly LeafIndex[]): Promise<ReadonlyMap<LeafIndex, LeafIndex>>;
  /** Documents below a leaf, newest first. */
  documentsBelow(below: number, limit: number): Promise<readonly { readonly leaf: LeafIndex; readonly body: Buffer }[]>;
}
