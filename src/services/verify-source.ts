/** What `anamnesis verify` reads: the ledger as it is stored, row by row. Implemented by `storage/pg`. */
import type { GroupNumber } from '../core/ids.ts';
import type { Block } from '../ledger/block.ts';

/** The head row of the log. */
export interface HeadRow {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
  /** Encoded compact range. */
  readonly compact: Buffer;
  /** Number of the last block; any value while there is none. */
  readonly block: number;
  readonly checkpoint: string;
}

export interface DocumentEntry {
  readonly leaf: number;
  /** The digest stored beside the bytes. */
  readonly digest: Buffer;
  readonly bytes: Buffer;
}

export interface PayloadRow {
  readonly group: GroupNumber;
  /** The digest stored beside the bytes. */
  readonly digest: Buffer;
  /** The size stored beside the bytes. */
  readonly size: number;
  /** Packed sealed group; undefined for a blob. */
  readonly packed: Buffer | undefined;
}

export interface TileRow {
  readonly index: number;
  readonly hashes: Buffer;
}

/**
 * The stored ledger. Each paged read returns the rows whose key is `from` or above, ascending, at most `limit`; an empty
 * page is the end. All reads must see one snapshot (one read-only transaction), or a gateway that goes on writing would
 * look damaged. Idempotent. Errors of the store pass through and end the verification.
 */
export interface LedgerSource {
  head(): Promise<HeadRow | undefined>;
  blocks(fromNumber: number, limit: number): Promise<readonly Block[]>;
  documents(fromLeaf: number, limit: number): Promise<readonly DocumentEntry[]>;
  payloads(fromGroup: number, limit: number): Promise<readonly PayloadRow[]>;
  tiles(level: number, fromIndex: number, limit: number): Promise<readonly TileRow[]>;
}
