/** Leaf hashes of documents in bulk, for `verify --hashes`: pure, so that a worker thread can do it beside the tree. */
import { hash } from 'node:crypto';
import { sha256 } from '@noble/hashes/sha2.js';

/** Consecutive documents in bulk; all three stand in one piece of memory of their own. */
export interface DocumentBatch {
  /** 32 bytes each, as they were stored beside the documents; fewer than asked for when documents are missing. */
  readonly digests: Uint8Array;
  /** Big-endian 32-bit length of each body. */
  readonly lengths: Uint8Array;
  /** One after the other. */
  readonly bodies: Uint8Array<ArrayBuffer>;
}

export interface HashedDocuments {
  /** 32 bytes each: SHA-256(0x00 ‖ 0x01 ‖ SHA-256(document)). */
  readonly leaves: Uint8Array<ArrayBuffer>;
  /** Positions of documents that are not the ones whose digests were stored. */
  readonly wrong: readonly number[];
}

// One state is filled and emptied again: faster than a state for each hash.
const fresh = sha256.create();
const working = sha256.create();

/** Digests of documents by node:crypto (OpenSSL), which is twice as fast on these sizes; leaf hashes by @noble/hashes. */
export function hashDocuments({ digests, lengths, bodies }: DocumentBatch): HashedDocuments {
  const count = lengths.length / 4;
  const sizes = new DataView(lengths.buffer, lengths.byteOffset, lengths.byteLength);
  const leaves = new Uint8Array(count * 32);
  const wrong: number[] = [];
  const input = new Uint8Array(34);
  input[1] = 1;
  for (let i = 0, start = 0; i < count; i += 1) {
    const end = start + sizes.getUint32(i * 4);
    const digest = hash('sha256', bodies.subarray(start, end), 'buffer');
    if (digest.compare(digests, i * 32, i * 32 + 32) !== 0) wrong.push(i);
    start = end;
    input.set(digest, 2);
    fresh._cloneInto(working);
    working.update(input).digestInto(leaves.subarray(i * 32, i * 32 + 32));
  }
  return { leaves, wrong };
}
