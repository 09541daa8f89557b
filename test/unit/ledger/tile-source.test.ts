import { describe, expect, it } from 'vitest';
import { inclusionProof, verifyInclusion } from '../../../src/ledger/inclusion.ts';
import { consistencyProof, verifyConsistency } from '../../../src/ledger/consistency.ts';
import { leafEntry } from '../../../src/ledger/leaf.ts';
import { appendLeaves, leafHash } from '../../../src/ledger/merkle.ts';
import { tilesOfLevel, widthAt } from '../../../src/ledger/tile.ts';
import { readTile, tileHashReader } from '../../../src/ledger/tile-source.ts';
import { completedTiles, digestsOf, MemoryLog } from './support.ts';

const SIZE = 70_000;

async function logOf70000(): Promise<MemoryLog> {
  const log = new MemoryLog();
  // Batches that end before, on and after the edges of tiles.
  for (const to of [1, 255, 256, 300, 511, 513, 1024, 65_535, 65_536, 65_537, SIZE]) {
    await log.append(digestsOf(to - log.size, log.size));
  }
  return log;
}

describe('tiles of a log of 70,000 entries', async () => {
  const log = await logOf70000();
  const rootAt = (size: number): Buffer =>
    appendLeaves(
      0,
      [],
      log.all.slice(0, size).map((digest) => leafHash(leafEntry(digest))),
    ).root;

  it('stores every full tile once, whatever the batches', async () => {
    const byLevel = [0, 1, 2].map((level) => log.stored.filter((tile) => tile.level === level).length);
    expect(byLevel).toEqual([273, 1, 0]);
    const atOnce = await completedTiles(0, log.all, { digests: async () => [], tile: async () => undefined });
    expect(atOnce.length).toBe(log.stored.length);
    for (const tile of atOnce) expect(await log.tile(tile.level, tile.index)).toEqual(tile.hashes);
  });

  it('derives partial tiles, and any narrower one', async () => {
    const roots = new Map<string, Buffer>();
    const top = await readTile(log, 2, 0, 1, roots);
    expect(top).toEqual(rootAt(65_536));
    expect(roots.size).toBeGreaterThan(0);
    const level1 = await readTile(log, 1, 1, 17, roots);
    expect(level1.length).toBe(17 * 32);
    expect(await readTile(log, 1, 1, 3)).toEqual(level1.subarray(0, 96));
    expect((await readTile(log, 0, 273, 112)).subarray(0, 32)).toEqual(leafHash(leafEntry(log.all[273 * 256])));
    expect(tilesOfLevel(0, log.size)).toEqual({ full: 273, partial: 112 });
  });

  it('gives proofs from tiles as wide as each size has them', async () => {
    const roots = new Map<string, Buffer>();
    for (const size of [1, 2, 255, 256, 257, 511, 65_535, 65_536, 65_537, 69_999, SIZE]) {
      const read = tileHashReader(size, (level, index, width) => {
        expect(width).toBe(widthAt(level, index, size));
        return readTile(log, level, index, width, roots);
      });
      const root = rootAt(size);
      for (const index of new Set([0, 1, 255, 256, 65_535, 65_536, size >> 1, size - 1])) {
        if (index >= size) continue;
        const proof = await inclusionProof(read, index, size);
        expect(verifyInclusion(index, size, leafHash(leafEntry(log.all[index])), proof, root)).toBe(true);
      }
      for (const old of [1, 256, 300, 65_536, size]) {
        if (old > size) continue;
        const proof = await consistencyProof(read, old, size);
        expect(verifyConsistency(old, size, rootAt(old), root, proof)).toBe(true);
      }
    }
  });

  it('refuses tiles and leaves of a wrong length', async () => {
    const short = { digests: async () => [], tile: async () => Buffer.alloc(31) };
    await expect(readTile(short, 0, 0, 256)).rejects.toThrow(RangeError);
    await expect(readTile({ ...short, tile: async () => undefined }, 0, 0, 2)).rejects.toThrow(RangeError);
    const read = tileHashReader(3, async () => Buffer.alloc(64));
    await expect(read([{ level: 0, index: 0 }])).rejects.toThrow(RangeError);
    const beyond = tileHashReader(3, async () => Buffer.alloc(96));
    await expect(beyond([{ level: 2, index: 0 }])).rejects.toThrow(RangeError);
  });
});
