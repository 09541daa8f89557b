/**
 * The RFC 6962 tree as it grows, on @noble/hashes, fast: only the roots of the maximal complete subtrees are kept. For
 * `anamnesis verify --hashes`; shares no code with `merkle` and `write/append`, and a test holds it against the recursive
 * definition in `independent-tree`.
 */
import { sha256 } from '@noble/hashes/sha2.js';

/** Hears of every hash that stands in a tile: level 0 are leaves, level n roots of 256^n leaves. */
export type TileSink = (level: number, index: number, hash: Uint8Array) => void;

interface Subtree {
  readonly height: number;
  readonly root: Uint8Array;
}

export class IndependentRange {
  /** Leaves. */
  size = 0;
  readonly #subtrees: Subtree[] = [];
  readonly #input = new Uint8Array(65);
  readonly #sink: TileSink;

  constructor(sink: TileSink) {
    this.#sink = sink;
    this.#input[0] = 1;
  }

  /** Appends a leaf hash (32 bytes). */
  push(leafHash: Uint8Array): void {
    this.#sink(0, this.size, leafHash);
    this.size += 1;
    let root = leafHash;
    let height = 0;
    for (;;) {
      const left = this.#subtrees.at(-1);
      if (left?.height !== height) break;
      this.#subtrees.pop();
      root = this.#parent(left.root, root);
      height += 1;
      if (height % 8 === 0) this.#sink(height / 8, this.size / 2 ** height - 1, root);
    }
    this.#subtrees.push({ height, root });
  }

  /** Root of the tree as it is, 32 bytes. */
  root(): Uint8Array {
    const [last, ...others] = this.#subtrees.toReversed();
    if (last === undefined) return sha256(new Uint8Array(0));
    return others.reduce((right, { root }) => this.#parent(root, right), last.root);
  }

  /** Roots of the maximal complete subtrees, largest first, one after the other. */
  compact(): Uint8Array {
    return Buffer.concat(this.#subtrees.map(({ root }) => root));
  }

  #parent(left: Uint8Array, right: Uint8Array): Uint8Array {
    this.#input.set(left, 1);
    this.#input.set(right, 33);
    return sha256(this.#input);
  }
}
