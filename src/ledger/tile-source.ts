/**
 * Tiles made from what is stored: full tiles as they are, partial ones from the leaves or from the roots of the full
 * tiles below. Also a reader of any complete subtree over tiles, for proofs.
 */
import { leafEntry } from './leaf.ts';
import { appendLeaves, HASH_BYTES, leafHash } from './merkle.ts';
import { TILE_BYTES, TILE_HEIGHT, TILE_WIDTH, tileHashes, widthAt } from './tile.ts';
import type { HashReader } from './tree-range.ts';

/** What is stored of a log. Reads are idempotent; a rejection of theirs passes through. */
export interface TileSource {
  /** Document digests (32 bytes each) of the leaves [from, to). */
  digests(from: number, to: number): Promise<Buffer[]>;
  /** A full tile of TILE_BYTES bytes; undefined when it was not stored. */
  tile(level: number, index: number): Promise<Buffer | undefined>;
}

/** Remembers roots of full tiles, by `level/index`: they never change, and the holder may forget any of them. */
export interface TileRoots {
  get(key: string): Buffer | undefined;
  set(key: string, root: Buffer): void;
}

/** Root of the complete subtree over consecutive hashes; their number is a power of two. */
function subtreeRoot(hashes: readonly Buffer[]): Buffer {
  return appendLeaves(0, [], hashes).root;
}

async function fullTileRoot(source: TileSource, level: number, index: number, roots?: TileRoots): Promise<Buffer> {
  const key = `${level}/${index}`;
  const known = roots?.get(key);
  if (known !== undefined) return known;
  const root = subtreeRoot(tileHashes(await readTile(source, level, index, TILE_WIDTH, roots)));
  roots?.set(key, root);
  return root;
}

/**
 * The first `width` hashes of a tile, 32 bytes each: from the stored full tile, or derived. The caller sees to it that
 * the tree has them (`widthAt`); one read at a time, so that a transaction's single connection serves. RangeError when
 * the source returns something of another length.
 */
export async function readTile(
  source: TileSource,
  level: number,
  index: number,
  width: number,
  roots?: TileRoots,
): Promise<Buffer> {
  const stored = await source.tile(level, index);
  if (stored !== undefined) {
    if (stored.length !== TILE_BYTES) throw new RangeError('a stored tile is not 8192 bytes long');
    return stored.subarray(0, width * HASH_BYTES);
  }
  const first = index * TILE_WIDTH;
  if (level === 0) {
    const digests = await source.digests(first, first + width);
    if (digests.length !== width) throw new RangeError('leaves of the log are missing');
    return Buffer.concat(digests.map((digest) => leafHash(leafEntry(digest))));
  }
  const hashes: Buffer[] = [];
  for (let at = 0; at < width; at += 1) hashes.push(await fullTileRoot(source, level - 1, first + at, roots));
  return Buffer.concat(hashes);
}

/**
 * Reads complete subtrees of a tree of `size` leaves from its tiles: `fetch` returns the tile at (level, index) as wide as
 * it is at that size. Each tile is fetched once for the life of the reader, however many ask for it at one time.
 */
export function tileHashReader(
  size: number,
  fetch: (level: number, index: number, width: number) => Promise<Buffer>,
): HashReader {
  const tiles = new Map<string, Promise<Buffer>>();
  const read = async (level: number, index: number): Promise<Buffer> => {
    const width = widthAt(level, index, size);
    const tile = await fetch(level, index, width);
    if (width === 0 || tile.length !== width * HASH_BYTES)
      throw new RangeError('a tile is not as wide as the tree says');
    return tile;
  };
  const tileAt = (level: number, index: number): Promise<Buffer> => {
    const key = `${level}/${index}`;
    let tile = tiles.get(key);
    if (tile === undefined) {
      tile = read(level, index);
      tiles.set(key, tile);
      // A fetch that failed may be made again.
      tile.catch(() => tiles.delete(key));
    }
    return tile;
  };
  return async (nodes) => {
    const hashes: Buffer[] = [];
    for (const node of nodes) {
      const level = Math.floor(node.level / TILE_HEIGHT);
      // A subtree of height 8 × level + r is 2^r neighbouring hashes of one tile.
      const count = 2 ** (node.level % TILE_HEIGHT);
      const first = node.index * count;
      const tile = await tileAt(level, Math.floor(first / TILE_WIDTH));
      const at = (first % TILE_WIDTH) * HASH_BYTES;
      const bytes = tile.subarray(at, at + count * HASH_BYTES);
      if (bytes.length !== count * HASH_BYTES) throw new RangeError('the subtree is not complete at this tree size');
      hashes.push(count === 1 ? bytes : subtreeRoot(tileHashes(bytes)));
    }
    return hashes;
  };
}
