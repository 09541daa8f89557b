/** The whole log of transparency-dev/tessera's test data: every checkpoint, tile and entry bundle. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseCheckpoint } from '../../../src/ledger/checkpoint.ts';
import { consistencyProof, verifyConsistency } from '../../../src/ledger/consistency.ts';
import { inclusionProof, verifyInclusion } from '../../../src/ledger/inclusion.ts';
import { appendLeaves, leafHash } from '../../../src/ledger/merkle.ts';
import { parseVkey, verifyNote } from '../../../src/ledger/note.ts';
import { decodeEntryBundle, tileHashes, tilePath } from '../../../src/ledger/tile.ts';
import { tileHashReader } from '../../../src/ledger/tile-source.ts';

const corpora = process.env.CORPORA_DIR;
if (!corpora) console.info('CORPORA_DIR is not set: the log of tessera is skipped');
const VKEY = 'example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx';

describe.skipIf(!corpora)('the log of tessera', () => {
  const file = (path: string): Buffer => readFileSync(join(corpora ?? '', 'ledger/tessera', path));
  const checkpointAt = (size: number) => {
    const parsed = parseCheckpoint(file(`checkpoint.${size}`).toString());
    if (parsed === undefined) throw new Error(`checkpoint ${size} does not parse`);
    return parsed;
  };
  const reader = (size: number) =>
    tileHashReader(size, async (level, index, width) => file(tilePath({ level, index, width })));

  it('verifies at every size: signature, entries, tile, root', () => {
    const key = parseVkey(VKEY);
    expect(key).toBeDefined();
    for (let size = 0; size <= 15; size += 1) {
      const { checkpoint, note } = checkpointAt(size);
      expect(verifyNote(note, key === undefined ? [] : [key])).toEqual([key]);
      expect([checkpoint.origin, checkpoint.size]).toEqual(['example.com/log/testdata', size]);
      if (size === 0) continue;
      const entries = decodeEntryBundle(file(tilePath({ level: 'entries', index: 0, width: size })), size) ?? [];
      const hashes = entries.map(leafHash);
      expect(tileHashes(file(tilePath({ level: 0, index: 0, width: size })))).toEqual(hashes);
      expect(appendLeaves(0, [], hashes).root).toEqual(checkpoint.root);
    }
  });

  it('proves every entry in every tree and every tree in every later one', async () => {
    const entries = decodeEntryBundle(file('tile/entries/000.p/15'), 15) ?? [];
    for (let size = 1; size <= 15; size += 1) {
      const { root } = checkpointAt(size).checkpoint;
      for (let index = 0; index < size; index += 1) {
        const proof = await inclusionProof(reader(size), index, size);
        expect(verifyInclusion(index, size, leafHash(entries[index]), proof, root)).toBe(true);
      }
      for (let old = 1; old <= size; old += 1) {
        const proof = await consistencyProof(reader(size), old, size);
        expect(verifyConsistency(old, size, checkpointAt(old).checkpoint.root, root, proof)).toBe(true);
      }
    }
  });
});
