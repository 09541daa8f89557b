/**
 * What the reading services need of the store. Everything here is ciphertext and keyed digests; deciding, opening and
 * re-checking happen above. Implemented by `storage/pg`.
 */
import type { GroupNumber, LeafIndex, ResourceKey } from '../core/ids.ts';

/** A version as stored: where it stands, and the sealed group that holds it. */
export interface StoredVersion {
  readonly resource: ResourceKey;
  readonly version: number;
  readonly group: GroupNumber;
  readonly line: number;
  /** Leaf of the grant by which this gateway has the group's lockbox key. */
  readonly lockbox: LeafIndex;
  /** Packed sealed group. */
  readonly body: Buffer;
  /** True: it lies in the record of a wrong patient, and the resource was moved since. Told by `version` alone. */
  readonly withdrawn?: boolean;
}

/** Lines of one sealed group that the index proposes. `mask`: bit n for line n. */
export interface Candidate {
  readonly sortTime: number;
  readonly group: GroupNumber;
  readonly mask: bigint;
  readonly lockbox: LeafIndex;
  readonly body: Buffer;
}

export interface TokenScan {
  /** All of these lists must hit the same line; a list hits by any of its tokens. The first list drives: put the rarest there. */
  readonly lists: readonly (readonly bigint[])[];
  /** Sort times in milliseconds, both inclusive. */
  readonly from?: number;
  readonly to?: number;
  /** Only groups before this size of the log: the point that the first page was pinned to. */
  readonly size: number;
  /** Continue strictly after this place, in the order sort time descending, group descending. */
  readonly after?: { readonly sortTime: number; readonly group: GroupNumber };
  readonly limit: number;
}

/** Where a version stands, without its ciphertext. */
export type Place = Pick<StoredVersion, 'version' | 'group' | 'line'>;

/** One of the patients as whom a person is known here. */
export interface Chart {
  readonly patient: ResourceKey;
  /** Leaf of the last message that changed a Consent of this patient. */
  readonly consentLeaf: LeafIndex | undefined;
}

/** Reads of committed rows. None locks. Errors: `unavailable`, `timeout`. */
export interface RecordStore {
  /** Current versions as of a size of the log (leaves); resources without a version are missing from the map. */
  current(resources: readonly ResourceKey[], size?: number): Promise<ReadonlyMap<ResourceKey, StoredVersion>>;
  /** The same without ciphertext: which line is current. */
  places(resources: readonly ResourceKey[], size: number): Promise<ReadonlyMap<ResourceKey, Place>>;
  version(resource: ResourceKey, version: number): Promise<StoredVersion | undefined>;
  /** Version up to which each resource was withdrawn from the record of a wrong patient; most are missing. */
  withdrawn(resources: readonly ResourceKey[]): Promise<ReadonlyMap<ResourceKey, number>>;
  /** Versions below `before` that were not withdrawn, newest first. */
  history(resource: ResourceKey, before: number, limit: number): Promise<readonly StoredVersion[]>;
  /** Newest first. */
  scan(scan: TokenScan): Promise<readonly Candidate[]>;
  /**
   * The charts of each asked patient's person: its own first, then all that are linked with it by merges. As they stand now, or
   * at a size of the log. Patients that are not known here have their own alone.
   */
  charts(patients: readonly ResourceKey[], size?: number): Promise<ReadonlyMap<ResourceKey, readonly Chart[]>>;
  /** Leaves of the log now. */
  size(): Promise<number>;
}
