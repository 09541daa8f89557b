/**
 * Reading a tree through its complete subtrees: every hash that a proof needs is the root of a range of leaves, and every
 * such range is a row of complete subtrees, largest first (RFC 6962 section 2.1). Where the subtree hashes come from
 * (tiles, leaves) is the reader's affair.
 */
import { foldRange } from './merkle.ts';

/** A complete subtree: the leaves [index × 2^level, (index + 1) × 2^level). Level 0 is a leaf hash. */
export interface TreeNode {
  readonly level: number;
  readonly index: number;
}

/** Hashes of complete subtrees (32 bytes each), in the order asked. Rejects when one of them cannot be had. */
export type HashReader = (nodes: readonly TreeNode[]) => Promise<Buffer[]>;

/** Leaves [start, end), end excluded. */
export interface LeafRange {
  readonly start: number;
  readonly end: number;
}

/** "Let k be the largest power of two smaller than n" (RFC 6962 section 2.1). n is at least 2. */
export function splitPoint(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** The complete subtrees of a range that itself is a subtree of the RFC 6962 recursion, left to right. */
function rangeNodes({ start, end }: LeafRange): TreeNode[] {
  const nodes: TreeNode[] = [];
  let at = start;
  while (at < end) {
    let level = 0;
    let width = 1;
    while (width * 2 <= end - at) {
      width *= 2;
      level += 1;
    }
    nodes.push({ level, index: at / width });
    at += width;
  }
  return nodes;
}

/** Roots of several ranges (each a subtree of the recursion) in one call of the reader. */
export async function rangeRoots(read: HashReader, ranges: readonly LeafRange[]): Promise<Buffer[]> {
  const rows = ranges.map(rangeNodes);
  const hashes = await read(rows.flat());
  let at = 0;
  return rows.map((row) => {
    at += row.length;
    return foldRange(hashes.slice(at - row.length, at));
  });
}
