/**
 * The second implementation of the RFC 6962 tree, for `anamnesis verify` and the tests: the recursive definition on
 * @noble/hashes. It shares no code with `merkle`, `tile-source` and the proofs, so that a mistake there cannot hide here.
 */
import { sha256 } from '@noble/hashes/sha2.js';

/** SHA-256 by @noble/hashes; 32 bytes. */
export function independentSha256(bytes: Uint8Array): Uint8Array {
  return sha256(bytes);
}

/** Leaf hash of a document: SHA-256(0x00 ‖ 0x01 ‖ SHA-256(document)), from the 32-byte document digest. */
export function independentLeafHash(documentDigest: Uint8Array): Uint8Array {
  const input = new Uint8Array(34);
  input[1] = 1;
  input.set(documentDigest, 2);
  return sha256(input);
}

function parent(left: Uint8Array, right: Uint8Array): Uint8Array {
  const input = new Uint8Array(65);
  input[0] = 1;
  input.set(left, 1);
  input.set(right, 33);
  return sha256(input);
}

/** The largest power of two that is at most n, for n > 0. Exact, unlike a logarithm. */
function highestBit(n: number): number {
  return 2 ** (n.toString(2).length - 1);
}

/** The largest power of two smaller than n, for n > 1. */
function largestPowerBelow(n: number): number {
  return highestBit(n - 1);
}

/** MTH of a list of leaf hashes, word by word: "MTH(D[n]) = SHA-256(0x01 || MTH(D[0:k]) || MTH(D[k:n]))". */
export function recursiveRoot(hashes: readonly Uint8Array[]): Uint8Array {
  if (hashes.length === 0) return sha256(new Uint8Array(0));
  if (hashes.length === 1) return hashes[0];
  const k = largestPowerBelow(hashes.length);
  return parent(recursiveRoot(hashes.slice(0, k)), recursiveRoot(hashes.slice(k)));
}

/**
 * The root to which an inclusion path (lowest hash first) leads from the leaf at `index` of `size` leaves, by the definition
 * of PATH(m, D[n]) read backwards. Undefined when the path is too long or too short for that place.
 */
export function rootFromPath(
  index: number,
  size: number,
  leafHash: Uint8Array,
  path: readonly Uint8Array[],
): Uint8Array | undefined {
  if (index < 0 || index >= size) return undefined;
  if (size === 1) return path.length === 0 ? leafHash : undefined;
  const sibling = path.at(-1);
  if (sibling === undefined) return undefined;
  const k = largestPowerBelow(size);
  const rest = path.slice(0, -1);
  if (index < k) {
    const left = rootFromPath(index, k, leafHash, rest);
    return left === undefined ? undefined : parent(left, sibling);
  }
  const right = rootFromPath(index - k, size - k, leafHash, rest);
  return right === undefined ? undefined : parent(sibling, right);
}

/**
 * A tree that grows and knows its root: the same recursion, which remembers the roots of complete subtrees and then
 * forgets what is below them. Memory: the leaves since the last `root()`, and one hash for each bit of the size.
 */
export class IndependentTree {
  private leaves = 0;
  private readonly known: Map<string, Uint8Array>;

  constructor(copyOf?: IndependentTree) {
    this.leaves = copyOf?.leaves ?? 0;
    this.known = new Map(copyOf?.known);
  }

  get size(): number {
    return this.leaves;
  }

  push(leafHash: Uint8Array): void {
    this.known.set(`${this.leaves}+1`, leafHash);
    this.leaves += 1;
  }

  /** Root of the tree as it is. 32 bytes. */
  root(): Uint8Array {
    return this.leaves === 0 ? recursiveRoot([]) : this.subtree(0, this.leaves);
  }

  /** Roots of the maximal complete subtrees, largest first, one after the other: what the head row keeps. */
  compact(): Uint8Array {
    this.root();
    const roots: Uint8Array[] = [];
    let start = 0;
    while (start < this.leaves) {
      const width = highestBit(this.leaves - start);
      roots.push(this.subtree(start, width));
      start += width;
    }
    return Buffer.concat(roots);
  }

  private subtree(start: number, width: number): Uint8Array {
    const found = this.known.get(`${start}+${width}`);
    if (found !== undefined) return found;
    if (width < 2) throw new RangeError('the leaf was not pushed');
    const k = largestPowerBelow(width);
    const root = parent(this.subtree(start, k), this.subtree(start + k, width - k));
    if (width === 2 * k) {
      this.known.delete(`${start}+${k}`);
      this.known.delete(`${start + k}+${k}`);
      this.known.set(`${start}+${width}`, root);
    }
    return root;
  }
}
