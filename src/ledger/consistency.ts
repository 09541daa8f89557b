/**
 * Consistency proofs: RFC 6962 section 2.1.2 makes them, RFC 9162 section 2.1.4.2 checks them. Both are the case start = 0
 * of the proof that a subtree [start, end) is part of a tree (draft-ietf-plants-merkle-tree-certs section 4.4), which
 * the mirror protocol uses; so there is one function for both.
 */
import { equalBytes } from '../core/bytes.ts';
import { isSubtree } from './inclusion.ts';
import { EMPTY_ROOT, HASH_BYTES, nodeHash } from './merkle.ts';
import { rangeRoots, splitPoint, type HashReader, type LeafRange } from './tree-range.ts';

/** The proof that the tree of `oldSize` leaves is a prefix of that of `size`. RangeError unless 0 < oldSize <= size. */
export async function consistencyProof(read: HashReader, oldSize: number, size: number): Promise<Buffer[]> {
  return subtreeConsistencyProof(read, 0, oldSize, size);
}

/** The proof that the subtree [start, end) is part of the tree of `size` leaves. RangeError when there is no such subtree. */
export async function subtreeConsistencyProof(
  read: HashReader,
  start: number,
  end: number,
  size: number,
): Promise<Buffer[]> {
  if (!isSubtree(start, end) || !Number.isSafeInteger(size) || end > size) {
    throw new RangeError('the tree has no such subtree');
  }
  const ranges: LeafRange[] = [];
  let low = 0;
  let high = size;
  let rest = start;
  // Whether the subtree at hand is still the whole one that the verifier has the root of.
  let whole = true;
  while (rest !== low || end !== high) {
    const middle = low + splitPoint(high - low);
    if (end <= middle) {
      ranges.push({ start: middle, end: high });
      high = middle;
    } else {
      ranges.push({ start: low, end: middle });
      whole = whole && rest >= middle;
      rest = Math.max(rest, middle);
      low = middle;
    }
  }
  if (!whole) ranges.push({ start: low, end: high });
  return rangeRoots(read, ranges.reverse());
}

/**
 * True when `proof` shows that the tree (size1, root1) is a prefix of (size2, root2). An empty first tree proves nothing
 * about a larger one: false. Equal sizes need equal roots and an empty proof.
 */
export function verifyConsistency(
  size1: number,
  size2: number,
  root1: Uint8Array,
  root2: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (size1 === 0 && (size2 !== 0 || !equalBytes(root2, EMPTY_ROOT))) return false;
  return verifySubtreeConsistency(0, size1, size2, root1, root2, proof);
}

/**
 * True when `proof` shows that the subtree [start, end) with root `subtreeRoot` is part of the tree (size, root). An empty
 * subtree needs the root of the empty tree and an empty proof.
 */
export function verifySubtreeConsistency(
  start: number,
  end: number,
  size: number,
  subtreeRoot: Uint8Array,
  root: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (!Number.isSafeInteger(size) || end > size) return false;
  if (Number.isSafeInteger(start) && start >= 0 && start === end) {
    return proof.length === 0 && equalBytes(subtreeRoot, EMPTY_ROOT);
  }
  if (!isSubtree(start, end)) return false;
  if (start === 0 && end === size) return proof.length === 0 && equalBytes(subtreeRoot, root);
  if ([subtreeRoot, root, ...proof].some((hash) => hash.length !== HASH_BYTES)) return false;
  return foldConsistency(start, end, size, subtreeRoot, root, proof);
}

/** The loop of RFC 9162 section 2.1.4.2: fn, sn, tn are the places of first, last and the tree's last node on a level. */
function foldConsistency(
  start: number,
  end: number,
  size: number,
  subtreeRoot: Uint8Array,
  root: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  let fn = start;
  let sn = end - 1;
  let tn = size - 1;
  const up = (): void => {
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
    tn = Math.floor(tn / 2);
  };
  // Up to where the subtree's last part becomes a left child, or to its own root.
  while (fn !== sn && (sn === tn || sn % 2 === 1)) up();
  // The subtree's root is the first hash itself, unless the subtree is cut at its right edge.
  const rest = [...proof];
  const seed = fn === sn ? subtreeRoot : rest.shift();
  if (seed === undefined) return false;
  let subtree = seed;
  let tree = seed;
  for (const hash of rest) {
    if (tn === 0) return false;
    if (sn % 2 === 1 || sn === tn) {
      if (fn < sn) subtree = nodeHash(hash, subtree);
      tree = nodeHash(hash, tree);
      while (sn % 2 === 0) up();
    } else {
      tree = nodeHash(tree, hash);
    }
    up();
  }
  return tn === 0 && equalBytes(subtree, subtreeRoot) && equalBytes(tree, root);
}
