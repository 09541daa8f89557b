/**
 * Inclusion proofs: RFC 6962 section 2.1.1 makes them, RFC 9162 section 2.1.3.2 checks them. Also for subtrees [start,
 * end), as the mirror protocol and Merkle tree certificates use them.
 */
import { equalBytes } from '../core/bytes.ts';
import { HASH_BYTES, nodeHash } from './merkle.ts';
import { rangeRoots, splitPoint, type HashReader, type LeafRange } from './tree-range.ts';

/** PATH(index, D[size]): the hashes, lowest first. RangeError unless 0 <= index < size. */
export async function inclusionProof(read: HashReader, index: number, size: number): Promise<Buffer[]> {
  if (!Number.isSafeInteger(size) || !Number.isSafeInteger(index) || index < 0 || index >= size) {
    throw new RangeError('the leaf is not in the tree');
  }
  const siblings: LeafRange[] = [];
  let start = 0;
  let end = size;
  while (end - start > 1) {
    const middle = start + splitPoint(end - start);
    if (index < middle) {
      siblings.push({ start: middle, end });
      end = middle;
    } else {
      siblings.push({ start, end: middle });
      start = middle;
    }
  }
  return rangeRoots(read, siblings.reverse());
}

/** True when `proof` shows that the leaf with this hash stands at `index` in the tree of `size` leaves with `root`. */
export function verifyInclusion(
  index: number,
  size: number,
  leafHash: Uint8Array,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return false;
  if ([leafHash, root, ...proof].some((hash) => hash.length !== HASH_BYTES)) return false;
  // fn and sn of RFC 9162: the place of the node in hand and of the last node on its level.
  let fn = index;
  let sn = size - 1;
  let hash = leafHash;
  for (const sibling of proof) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      hash = nodeHash(sibling, hash);
      while (fn % 2 === 0 && fn !== 0) {
        fn /= 2;
        sn = Math.floor(sn / 2);
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  return sn === 0 && equalBytes(hash, root);
}

/** Smallest power of two that is at least n. */
function powerOfTwoFrom(n: number): number {
  let power = 1;
  while (power < n) power *= 2;
  return power;
}

/**
 * Whether [start, end) is a subtree: not empty, and "start is a multiple of the smallest power of two that is at least
 * end - start" (draft-ietf-plants-merkle-tree-certs section 4.1).
 */
export function isSubtree(start: number, end: number): boolean {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end <= start) return false;
  return start % powerOfTwoFrom(end - start) === 0;
}

/** As `verifyInclusion`, in the subtree [start, end) whose root is `root`. `index` counts from the tree's first leaf. */
export function verifySubtreeInclusion(
  index: number,
  start: number,
  end: number,
  leafHash: Uint8Array,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  return isSubtree(start, end) && verifyInclusion(index - start, end - start, leafHash, proof, root);
}
