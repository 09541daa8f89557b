import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { leafEntry, parseLeafEntry } from '../../../src/ledger/leaf.ts';
import {
  appendLeaves,
  decodeCompactRange,
  EMPTY_ROOT,
  encodeCompactRange,
  leafHash,
  rootOf,
} from '../../../src/ledger/merkle.ts';
import { naiveRoot } from './naive-tree.ts';

const REFERENCE_LEAVES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
];
const REFERENCE_ROOTS = ['6e340b9c', 'fac54203', 'aeb6bcfe', 'd37ee418', '4e3bbb1f', '76e67dad', 'ddb89be4'];

describe('leaf', () => {
  it('is a version byte and the document digest', () => {
    const digest = Buffer.alloc(32, 7);
    const entry = leafEntry(digest);
    expect(entry).toEqual(Buffer.concat([Buffer.from([1]), digest]));
    expect(parseLeafEntry(entry)).toEqual(digest);
    expect(parseLeafEntry(Buffer.alloc(33))).toBeUndefined();
    expect(parseLeafEntry(entry.subarray(0, 32))).toBeUndefined();
    expect(() => leafEntry(Buffer.alloc(31))).toThrow(RangeError);
  });
});

describe('merkle', () => {
  it('has the roots of the eight reference leaves', () => {
    const hashes = REFERENCE_LEAVES.map((hex) => leafHash(Buffer.from(hex, 'hex')));
    const roots = hashes.map((_, at) => appendLeaves(0, [], hashes.slice(0, at + 1)).root.toString('hex'));
    expect(roots.slice(0, 7).map((root) => root.slice(0, 8))).toEqual(REFERENCE_ROOTS);
    expect(roots[7]).toBe('5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328');
    expect(rootOf(0, []).toString('hex')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(appendLeaves(0, [], []).root).toEqual(EMPTY_ROOT);
  });

  it('appends in any batches to the root of the recursive definition', () => {
    const batches = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 8 });
    fc.assert(
      fc.property(batches, (sizes) => {
        let tree: { size: number; range: readonly Buffer[]; root: Buffer } = { size: 0, range: [], root: EMPTY_ROOT };
        const all: Buffer[] = [];
        for (const count of sizes) {
          const leaves = Array.from({ length: count }, (_, at) => leafHash(Buffer.from(`${all.length + at}`)));
          all.push(...leaves);
          const before = encodeCompactRange(tree.range);
          const next = appendLeaves(tree.size, tree.range, leaves);
          expect(encodeCompactRange(tree.range)).toEqual(before);
          tree = { ...next, range: decodeCompactRange(next.size, encodeCompactRange(next.range)) };
        }
        expect(tree.size).toBe(all.length);
        expect(tree.root).toEqual(naiveRoot(all));
        expect(rootOf(tree.size, tree.range)).toEqual(tree.root);
      }),
    );
  });

  it('refuses a range that does not fit the size', () => {
    expect(() => appendLeaves(3, [EMPTY_ROOT], [])).toThrow(RangeError);
    expect(() => rootOf(1.5, [EMPTY_ROOT])).toThrow(RangeError);
    expect(() => rootOf(-1, [])).toThrow(RangeError);
    expect(() => decodeCompactRange(2, Buffer.alloc(33))).toThrow(RangeError);
  });
});
