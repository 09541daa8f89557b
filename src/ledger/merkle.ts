/**
 * The Merkle tree of RFC 6962 section 2.1 (SHA-256) in its compact form: the roots of the maximal complete subtrees are
 * all that is needed to append leaves and to know the root. Sizes are safe integers. Reading inner nodes and proofs
 * stand in `tree-range`, `inclusion` and `consistency`.
 */
import { hash } from 'node:crypto';

/** Bytes of every hash in the tree. */
export const HASH_BYTES = 32;

/** MTH({}) = SHA-256(): the root of a tree without leaves. */
export const EMPTY_ROOT: Buffer = hash('sha256', '', 'buffer');

/**
 * Roots of the maximal complete subtrees that a tree of some size consists of, largest first: one of 32 bytes for each
 * bit set in the size. Not changed by anything here; the buffers are shared between ranges.
 */
export type CompactRange = readonly Buffer[];

/** "MTH({d(0)}) = SHA-256(0x00 || d(0))" (RFC 6962 section 2.1). 32 bytes. */
export function leafHash(entry: Uint8Array): Buffer {
  const input = Buffer.allocUnsafe(1 + entry.length);
  input[0] = 0;
  input.set(entry, 1);
  return hash('sha256', input, 'buffer');
}

// One scratch buffer: hashing is synchronous, and allocating 65 bytes a node costs a fifth of the time.
const nodeInput = Buffer.alloc(1 + 2 * HASH_BYTES);
nodeInput[0] = 1;

/** "SHA-256(0x01 || MTH(left) || MTH(right))" (RFC 6962 section 2.1). Both 32 bytes; RangeError otherwise. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  if (left.length !== HASH_BYTES || right.length !== HASH_BYTES) throw new RangeError('a tree hash has 32 bytes');
  nodeInput.set(left, 1);
  nodeInput.set(right, 1 + HASH_BYTES);
  return hash('sha256', nodeInput, 'buffer');
}

/** Bits set in a size, which is the length of its compact range. */
function rangeLength(size: number): number {
  if (!Number.isSafeInteger(size) || size < 0) throw new RangeError('a tree size is a non-negative safe integer');
  let bits = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2;
  return bits;
}

function checkRange(size: number, range: CompactRange): void {
  if (range.length !== rangeLength(size)) throw new RangeError('the compact range does not fit the tree size');
}

/**
 * Appends leaf hashes (32 bytes each, in order) to the tree that (size, range) stands for. About one SHA-256 a leaf, and
 * one for each hash of the new range. The arguments stay as they were. RangeError when range and size do not fit.
 */
export function appendLeaves(
  size: number,
  range: CompactRange,
  leafHashes: readonly Buffer[],
): { size: number; range: CompactRange; root: Buffer } {
  checkRange(size, range);
  const stack = [...range];
  let count = size;
  for (const leaf of leafHashes) {
    let node = leaf;
    // Every trailing one bit of the size is a complete subtree as large as `node` right of which it stands.
    for (let rest = count; rest % 2 === 1; rest = (rest - 1) / 2) {
      const left = stack.pop();
      if (left === undefined) throw new RangeError('the compact range does not fit the tree size');
      node = nodeHash(left, node);
    }
    stack.push(node);
    count += 1;
  }
  return { size: count, range: stack, root: foldRange(stack) };
}

/** MTH of the leaves that consecutive complete subtrees cover, given left to right and each larger than the next. */
export function foldRange(range: CompactRange): Buffer {
  let root: Buffer | undefined;
  for (let at = range.length - 1; at >= 0; at -= 1) root = root === undefined ? range[at] : nodeHash(range[at], root);
  return root ?? EMPTY_ROOT;
}

/** Root of the tree that (size, range) stands for; RangeError when they do not fit. */
export function rootOf(size: number, range: CompactRange): Buffer {
  checkRange(size, range);
  return foldRange(range);
}

/** The range as bytes: its hashes one after the other. The size is kept beside it. */
export function encodeCompactRange(range: CompactRange): Buffer {
  return Buffer.concat(range);
}

/** Reads `encodeCompactRange` back (copies). RangeError when the bytes are no compact range of a tree of this size. */
export function decodeCompactRange(size: number, bytes: Uint8Array): CompactRange {
  const length = rangeLength(size);
  if (bytes.length !== length * HASH_BYTES) throw new RangeError('the compact range does not fit the tree size');
  return Array.from({ length }, (_, at) => Buffer.from(bytes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES)));
}
