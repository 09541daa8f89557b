/**
 * What a mirror keeps of another log, and how: entries first, authenticated package by package; then documents and sealed
 * payloads, each checked against the entries; blobs last. All writes are compare-and-swap on the mirror's own cursors, so
 * that any number of uploads may run at once. Errors of all ports: `unavailable`, `storage-full`.
 */
import type { GroupNumber } from '../core/ids.ts';
import type { Block } from '../ledger/block.ts';

/** Cursors of one mirrored log. */
export interface MirrorState {
  /** The store's own name of the log. */
  readonly log: number;
  /** Entries below are stored. */
  readonly next: number;
  /** The mirror checkpoint; size 0 and an empty note while there is none. */
  readonly size: number;
  readonly root: Buffer;
  readonly checkpoint: string;
  /** Documents and sealed payloads below are stored. */
  readonly held: number;
  /** Encoded compact range of the tree of `held` leaves. */
  readonly compact: Buffer;
  /** Number of the next block, and the link to the previous one that it must hold. */
  readonly nextBlock: number;
  readonly prev: Buffer;
  /** Bytes of documents and payloads, blobs included. */
  readonly bytes: number;
}

/** A full tile, and the root over its 256 hashes. */
export interface RootedTile {
  readonly level: number;
  readonly index: number;
  readonly hashes: Buffer;
  readonly root: Buffer;
}

export interface MirrorEntries {
  /** The cursors of a log; made when there are none. */
  load(origin: string): Promise<MirrorState>;
  /** Document digests (32 bytes each) of the stored entries [256 × index, ...); empty when there are none. */
  bundle(log: number, index: number): Promise<Buffer>;
  /** Roots of the stored full tiles [from, to) of a level; fewer when some are missing. */
  tileRoots(log: number, level: number, from: number, to: number): Promise<Buffer[]>;
  /**
   * Stores bundles (a wider one replaces a narrower one of the same index, never the reverse) and tiles, and moves the next
   * entry up to `next`. Durable on return; idempotent; returns the next entry.
   */
  addEntries(
    log: number,
    bundles: readonly { readonly index: number; readonly digests: Buffer }[],
    tiles: readonly RootedTile[],
    next: number,
  ): Promise<number>;
  /** Sets the mirror checkpoint unless a larger one is there or entries are missing: then false. Durable on return. */
  setCheckpoint(
    log: number,
    to: { readonly size: number; readonly root: Buffer; readonly note: string },
  ): Promise<boolean>;
}

/** Rows of one batch of documents, complete with the payloads that they name. */
export interface MirrorBatch {
  readonly from: Pick<MirrorState, 'held'>;
  readonly to: Pick<MirrorState, 'held' | 'compact' | 'nextBlock' | 'prev'>;
  readonly documents: readonly { readonly leaf: number; readonly bytes: Buffer }[];
  /** packed: undefined for a blob. */
  readonly payloads: readonly MirrorPayload[];
  /** Blobs among them that are not in the blob store. */
  readonly missing: readonly MirrorPayload[];
  readonly blocks: readonly Block[];
  /** Bytes of all this. */
  readonly bytes: number;
}

export interface MirrorPayload {
  readonly group: GroupNumber;
  readonly digest: Buffer;
  readonly size: number;
  readonly packed: Buffer | undefined;
}

export interface MissingBlob {
  readonly digest: Buffer;
  readonly size: number;
}

export interface MirrorData {
  /** Stores a batch if `held` is still what it was: else false, and nothing is stored. Durable on return. */
  append(log: number, batch: MirrorBatch): Promise<boolean>;
  /** Blobs that are named but not here, lowest leaf first, each once. */
  missingBlobs(log: number, limit: number): Promise<readonly MissingBlob[]>;
  /** The blob is in the blob store now. Idempotent. */
  blobArrived(digest: Buffer): Promise<void>;
  /** Leaf below which every blob is here; `held` when none is missing. */
  blobsHeld(log: number): Promise<number>;
}

/** Documents and payloads of a log in the order of its leaves: one's own, or a mirrored one. */
export interface LogRows {
  /** Documents from a leaf on, ascending, at most `limit`. */
  documents(fromLeaf: number, limit: number): Promise<readonly { readonly leaf: number; readonly bytes: Buffer }[]>;
  /** Payloads from a group on, ascending, at most `limit`; packed is undefined for a blob. */
  payloads(
    fromGroup: number,
    limit: number,
  ): Promise<readonly { readonly group: GroupNumber; readonly packed: Buffer | undefined }[]>;
  /** Blocks from a number on, ascending, at most `limit`. */
  blocks(fromNumber: number, limit: number): Promise<readonly Block[]>;
}
