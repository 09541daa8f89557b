/**
 * Reading the log as others do: checkpoint, tiles, entry bundles, blocks and receipts (C2SP tlog-tiles, tlog-proof). Only
 * full tiles are stored; partial ones are derived when they are read. Everything here is public: leaves are digests.
 */
import { GatewayError } from '../core/errors.ts';
import type { Block } from '../ledger/block.ts';
import { inclusionProof, verifyInclusion } from '../ledger/inclusion.ts';
import { leafEntry } from '../ledger/leaf.ts';
import { leafHash } from '../ledger/merkle.ts';
import { formatVkey, KEY_ED25519, verifierKey } from '../ledger/note.ts';
import { formatProof, type TlogProof } from '../ledger/proof.ts';
import { formatReceipt } from '../ledger/receipt.ts';
import type { ReceiptContents } from '../ledger/receipt-contents.ts';
import { encodeEntryBundle, parseTilePath, TILE_WIDTH, widthAt } from '../ledger/tile.ts';
import { readTile, tileHashReader, type TileRoots, type TileSource } from '../ledger/tile-source.ts';

/** Blocks of one answer at most. */
export const BLOCKS_MAX = 1000;
/** Roots of full tiles kept in memory: the right edge of three tile levels has at most 765. */
const ROOTS_MAX = 4096;

/**
 * The committed log. Idempotent reads of what has been committed; a later call never sees less than an earlier one.
 * Errors: `unavailable` when the store is away.
 */
export interface LedgerReader {
  /** The block with the highest number; undefined while nothing is anchored. */
  latestBlock(): Promise<Block | undefined>;
  /** Blocks whose number is `from` or above, ascending, at most `limit`. */
  blocks(from: number, limit: number): Promise<readonly Block[]>;
  /** Document digests (32 bytes each) of the leaves [from, to), in order. */
  leafDigests(from: number, to: number): Promise<Buffer[]>;
  /** A full tile, 8,192 bytes; undefined when it is not stored. */
  tile(level: number, index: number): Promise<Buffer | undefined>;
  /** The bytes of a document; undefined when it is not stored. */
  document(leaf: number): Promise<Buffer | undefined>;
}

/** All of them throw `not-found` for what the log does not have (yet) and `integrity` for what does not add up. */
export interface ReadLedger {
  /** The log's verifier key, one line without newline. */
  readonly vkey: string;
  /**
   * The signed checkpoint: the newest one that has its quorum, with the cosignatures, where the policy wants one and some
   * checkpoint has it; else the newest. `durable`: always the newest.
   */
  checkpoint(level?: 'durable'): Promise<string>;
  /**
   * A tile's hashes or an entry bundle by its path, `tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]`; the bytes of one
   * path never change. Throws `invalid-syntax` for any other path.
   */
  tile(path: string): Promise<Buffer>;
  /** As `LedgerReader.blocks`, at most BLOCKS_MAX. */
  blocks(from: number, limit: number): Promise<readonly Block[]>;
  /** The `.tlog-proof` text of a leaf under the checkpoint with a quorum, or the latest where that has not got to it yet; verified. */
  receipt(leaf: number): Promise<string>;
  /** As `receipt`, with the document and, where `place` says so, a payload of it: not public. */
  receiptOf(leaf: number, place?: Omit<ReceiptContents, 'document'>): Promise<string>;
}

export interface ReadLedgerDeps {
  readonly reader: LedgerReader;
  readonly origin: string;
  /** Raw Ed25519 public key of the log, 32 bytes. */
  readonly logPublicKey: Buffer;
  /** The newest checkpoint with a quorum, if there is one. Throws `unavailable` while no checkpoint may leave. */
  readonly published?: () => Promise<Pick<Block, 'size' | 'root' | 'checkpoint'> | undefined>;
}

/** The reads over a store. Keeps the size it has seen and a bounded number of tile roots in memory, nothing else. */
export function readLedger({ reader, origin, logPublicKey, published }: ReadLedgerDeps): ReadLedger {
  const roots = boundedRoots(ROOTS_MAX);
  let knownSize = 0;
  const latest = async (): Promise<Block> => {
    const block = await reader.latestBlock();
    if (block === undefined) throw new GatewayError('not-found', 'nothing is anchored yet');
    knownSize = Math.max(knownSize, block.size);
    return block;
  };
  const source: TileSource = {
    digests: (from, to) => reader.leafDigests(from, to),
    // A tile that the log has not filled yet cannot be stored: whoever put it there did not append.
    tile: async (level, index) =>
      widthAt(level, index, knownSize) === TILE_WIDTH ? reader.tile(level, index) : undefined,
  };
  const prove = async (leaf: number): Promise<TlogProof> => {
    const quorate = await published?.();
    const { size, root, checkpoint } = quorate !== undefined && leaf < quorate.size ? quorate : await latest();
    if (leaf >= size) throw new GatewayError('not-found', 'the log has no such leaf');
    const read = tileHashReader(size, (level, index, width) => readTile(source, level, index, width, roots));
    const hashes = await adding(inclusionProof(read, leaf, size));
    const [digest] = await reader.leafDigests(leaf, leaf + 1);
    if (digest === undefined || !verifyInclusion(leaf, size, leafHash(leafEntry(digest)), hashes, root)) {
      throw incomplete();
    }
    return { index: leaf, hashes, checkpoint };
  };
  return {
    vkey: formatVkey(verifierKey(origin, KEY_ED25519, logPublicKey)),
    async checkpoint(level) {
      const quorate = await published?.();
      return quorate === undefined || level === 'durable' ? (await latest()).checkpoint : quorate.checkpoint;
    },
    async tile(path) {
      const tile = parseTilePath(path);
      if (tile === undefined) throw new GatewayError('invalid-syntax', 'not the path of a tile: tile/<L>/<N>[.p/<W>]');
      const { level, index, width } = tile;
      if (widthAt(level, index, knownSize) < width) await latest();
      if (widthAt(level, index, knownSize) < width) throw new GatewayError('not-found', 'the log has no such tile');
      if (level !== 'entries') return adding(readTile(source, level, index, width, roots));
      const digests = await reader.leafDigests(index * TILE_WIDTH, index * TILE_WIDTH + width);
      if (digests.length !== width) throw incomplete();
      return encodeEntryBundle(digests.map(leafEntry));
    },
    blocks: (from, limit) => reader.blocks(from, Math.min(limit, BLOCKS_MAX)),
    receipt: async (leaf) => formatProof(await prove(leaf)),
    async receiptOf(leaf, place = {}) {
      const proof = await prove(leaf);
      const document = await reader.document(leaf);
      if (document === undefined) throw incomplete();
      return formatReceipt(proof, { document: document.toString('latin1'), ...place });
    },
  };
}

function incomplete(cause?: unknown): GatewayError {
  return new GatewayError('integrity', 'the stored log does not add up; run `anamnesis verify`', { cause });
}

/** A RangeError of the tree code means rows that are missing or have a wrong length. */
async function adding<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (thrown) {
    throw thrown instanceof RangeError ? incomplete(thrown) : thrown;
  }
}

/** Forgets the oldest first. */
function boundedRoots(max: number): TileRoots {
  const roots = new Map<string, Buffer>();
  return {
    get: (key) => roots.get(key),
    set(key, root) {
      roots.set(key, root);
      const oldest = roots.keys().next();
      if (roots.size > max && oldest.done !== true) roots.delete(oldest.value);
    },
  };
}
