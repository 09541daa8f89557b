/**
 * Tiles (C2SP tlog-tiles v0.1.0): the tree cut into pieces of 256 hashes on 8 levels, and the entries in bundles of 256.
 * Paths, widths and encodings; where the hashes come from stands in `tile-source`.
 */
import { HASH_BYTES } from './merkle.ts';

/** Hashes of a full tile, entries of a full bundle. */
export const TILE_WIDTH = 256;
/** Levels of the tree that a tile spans. */
export const TILE_HEIGHT = 8;
/** Bytes of a full tile. */
export const TILE_BYTES = TILE_WIDTH * HASH_BYTES;
/** Bytes of one entry at most: its length is a uint16. */
const ENTRY_MAX_BYTES = 65_535;
const MAX_LEVEL = 63;

/** One tile or entry bundle. */
export interface TileRef {
  /** Tile level, 0 to 63, or the bundles of entries. */
  readonly level: number | 'entries';
  readonly index: number;
  /** 1 to 256; 256 is a full tile. */
  readonly width: number;
}

/** `tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]`: N in groups of three digits, all but the last prefixed with x. */
export function tilePath(tile: TileRef): string {
  const groups = [String(tile.index % 1000).padStart(3, '0')];
  for (let rest = Math.floor(tile.index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    groups.unshift(`x${String(rest % 1000).padStart(3, '0')}`);
  }
  const partial = tile.width === TILE_WIDTH ? '' : `.p/${tile.width}`;
  return `tile/${tile.level}/${groups.join('/')}${partial}`;
}

const TILE_PATH = /^tile\/(entries|\d{1,2})\/((?:x\d{3}\/){0,5}\d{3})(?:\.p\/(\d{1,3}))?$/;

/** Reads a path without leading slash; undefined unless it is exactly what `tilePath` writes. */
export function parseTilePath(path: string): TileRef | undefined {
  const match = TILE_PATH.exec(path);
  if (match === null) return undefined;
  const level = match[1] === 'entries' ? match[1] : Number(match[1]);
  const index = Number(match[2].replaceAll(/[x/]/g, ''));
  const width = match[3] === undefined ? TILE_WIDTH : Number(match[3]);
  if (!Number.isSafeInteger(index) || width < 1 || width > TILE_WIDTH || (level !== 'entries' && level > MAX_LEVEL)) {
    return undefined;
  }
  const tile: TileRef = { level, index, width };
  return tilePath(tile) === path ? tile : undefined;
}

/** Hashes on a tile level of a tree: floor(size / 256^level), the number of complete subtrees of that height. */
export function levelEntries(level: number | 'entries', size: number): number {
  let count = size;
  for (let at = 0; at < (level === 'entries' ? 0 : level) && count > 0; at += 1) count = Math.floor(count / TILE_WIDTH);
  return count;
}

/** Full tiles on a level of a tree, and the width of the partial tile after them (0: there is none). */
export function tilesOfLevel(level: number | 'entries', size: number): { full: number; partial: number } {
  const count = levelEntries(level, size);
  return { full: Math.floor(count / TILE_WIDTH), partial: count % TILE_WIDTH };
}

/** How wide the tile at (level, index) is in a tree of this size: 0 (not there) to 256. */
export function widthAt(level: number | 'entries', index: number, size: number): number {
  return Math.max(0, Math.min(TILE_WIDTH, levelEntries(level, size) - index * TILE_WIDTH));
}

/** "A sequence of big-endian uint16 length-prefixed log entries". RangeError for an entry above 65,535 bytes. */
export function encodeEntryBundle(entries: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    entries.flatMap((entry) => {
      if (entry.length > ENTRY_MAX_BYTES) throw new RangeError('a log entry has at most 65535 bytes');
      return [Buffer.from([entry.length >> 8, entry.length & 0xff]), entry];
    }),
  );
}

/** The entries of a bundle (views into it); undefined when it is malformed or holds another number than `width`. */
export function decodeEntryBundle(bundle: Buffer, width: number): Buffer[] | undefined {
  const entries: Buffer[] = [];
  let at = 0;
  while (at < bundle.length) {
    if (at + 2 > bundle.length || entries.length === width) return undefined;
    const end = at + 2 + bundle.readUInt16BE(at);
    if (end > bundle.length) return undefined;
    entries.push(bundle.subarray(at + 2, end));
    at = end;
  }
  return entries.length === width ? entries : undefined;
}

/** The i-th hash of a tile, a view into it. */
function tileHash(tile: Buffer, i: number): Buffer {
  return tile.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES);
}

/** All hashes of a tile, views into it. */
export function tileHashes(tile: Buffer): Buffer[] {
  return Array.from({ length: Math.floor(tile.length / HASH_BYTES) }, (_, i) => tileHash(tile, i));
}
