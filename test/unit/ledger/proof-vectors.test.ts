import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  consistencyProof,
  subtreeConsistencyProof,
  verifyConsistency,
  verifySubtreeConsistency,
} from '../../../src/ledger/consistency.ts';
import { inclusionProof, verifyInclusion, verifySubtreeInclusion } from '../../../src/ledger/inclusion.ts';
import { leafHash } from '../../../src/ledger/merkle.ts';
import type { HashReader } from '../../../src/ledger/tree-range.ts';
import { naivePath, naiveRoot, naiveSubproof } from './naive-tree.ts';

const corpora = process.env.CORPORA_DIR;
if (!corpora) console.info('CORPORA_DIR is not set: the 518 Merkle proof vectors are skipped');

interface Vector {
  readonly name: string;
  readonly wantErr: boolean;
  readonly number: (key: string) => number;
  readonly bytes: (key: string) => Buffer;
  readonly proof: Buffer[];
}

function vectors(kind: string): Vector[] {
  const root = join(corpora ?? '', 'ledger/merkle', kind);
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.json'))
    .map((name) => {
      const data = JSON.parse(readFileSync(join(root, name), 'utf8'));
      return {
        name,
        wantErr: data.wantErr,
        number: (key) => Number(data[key]),
        bytes: (key) => Buffer.from(data[key], 'base64'),
        proof: (data.proof ?? []).map((hash: string) => Buffer.from(hash, 'base64')),
      };
    });
}

const CHECKS: Record<string, { count: number; verify: (v: Vector) => boolean }> = {
  inclusion: {
    count: 98,
    verify: (v) =>
      verifyInclusion(v.number('leafIdx'), v.number('treeSize'), v.bytes('leafHash'), v.proof, v.bytes('root')),
  },
  consistency: {
    count: 98,
    verify: (v) => verifyConsistency(v.number('size1'), v.number('size2'), v.bytes('root1'), v.bytes('root2'), v.proof),
  },
  subtreeinclusion: {
    count: 204,
    verify: (v) => {
      const [index, start, end] = [v.number('leafIdx'), v.number('start'), v.number('end')];
      return verifySubtreeInclusion(index, start, end, v.bytes('leafHash'), v.proof, v.bytes('root'));
    },
  },
  subtreeconsistency: {
    count: 118,
    verify: (v) => {
      const [start, end, size] = [v.number('start'), v.number('end'), v.number('size')];
      return verifySubtreeConsistency(start, end, size, v.bytes('root1'), v.bytes('root2'), v.proof);
    },
  },
};

describe.skipIf(!corpora)('proof vectors of transparency-dev/merkle', () => {
  for (const [kind, { count, verify }] of Object.entries(CHECKS)) {
    it(`${kind}: all ${count}`, () => {
      const all = vectors(kind);
      expect(all.length).toBe(count);
      expect(all.filter((v) => verify(v) === v.wantErr).map((v) => v.name)).toEqual([]);
    });
  }
});

const LEAVES = Array.from({ length: 70 }, (_, at) => leafHash(Buffer.from(`leaf ${at}`)));
const read: HashReader = async (nodes) =>
  nodes.map(({ level, index }) => naiveRoot(LEAVES.slice(index * 2 ** level, (index + 1) * 2 ** level)));

describe('proofs against the recursive definition', () => {
  it('inclusion: every leaf of every tree', async () => {
    for (let size = 1; size <= LEAVES.length; size += 1) {
      const leaves = LEAVES.slice(0, size);
      const root = naiveRoot(leaves);
      for (let index = 0; index < size; index += 1) {
        const proof = await inclusionProof(read, index, size);
        expect(proof).toEqual(naivePath(index, leaves));
        expect(verifyInclusion(index, size, leaves[index], proof, root)).toBe(true);
      }
    }
  });

  it('consistency: every pair of sizes', async () => {
    for (let size = 1; size <= LEAVES.length; size += 1) {
      const leaves = LEAVES.slice(0, size);
      for (let old = 1; old <= size; old += 1) {
        const proof = await consistencyProof(read, old, size);
        expect(proof).toEqual(naiveSubproof(old, leaves, true));
        expect(verifyConsistency(old, size, naiveRoot(LEAVES.slice(0, old)), naiveRoot(leaves), proof)).toBe(true);
      }
    }
  });

  it('subtree consistency: every subtree of every tree up to 40 leaves', async () => {
    for (let size = 1; size <= 40; size += 1) {
      for (let end = 1; end <= size; end += 1) {
        for (let start = 0; start < end; start += 1) {
          const alignment = 2 ** Math.ceil(Math.log2(end - start));
          if (start % alignment !== 0) continue;
          const proof = await subtreeConsistencyProof(read, start, end, size);
          const root = naiveRoot(LEAVES.slice(0, size));
          expect(verifySubtreeConsistency(start, end, size, naiveRoot(LEAVES.slice(start, end)), root, proof)).toBe(
            true,
          );
        }
      }
    }
  });

  it('no proof verifies after a bit, the index or the size was changed', async () => {
    const position = fc.tuple(fc.integer({ min: 1, max: 70 }), fc.nat(), fc.nat(), fc.nat());
    await fc.assert(
      fc.asyncProperty(position, async ([size, at, which, bit]) => {
        const index = at % size;
        const root = naiveRoot(LEAVES.slice(0, size));
        const proof = await inclusionProof(read, index, size);
        const changed = [LEAVES[index], root, ...proof].map((hash) => Buffer.from(hash));
        changed[which % changed.length][(bit >> 3) % 32] ^= 1 << (bit & 7);
        const [leaf, changedRoot, ...changedProof] = changed;
        expect(verifyInclusion(index, size, leaf, changedProof, changedRoot)).toBe(false);
        expect(verifyInclusion(index + 1, size, LEAVES[index], proof, root)).toBe(false);
        expect(verifyInclusion(index, size, LEAVES[index], proof.slice(1), root)).toBe(proof.length === 0);
        expect(verifyInclusion(index, size, LEAVES[index], [...proof, root], root)).toBe(false);
      }),
    );
  });

  it('refuses what is outside of the tree', async () => {
    await expect(inclusionProof(read, 3, 3)).rejects.toThrow(RangeError);
    await expect(inclusionProof(read, -1, 3)).rejects.toThrow(RangeError);
    await expect(consistencyProof(read, 0, 3)).rejects.toThrow(RangeError);
    await expect(consistencyProof(read, 4, 3)).rejects.toThrow(RangeError);
    await expect(subtreeConsistencyProof(read, 1, 3, 8)).rejects.toThrow(RangeError);
  });
});
