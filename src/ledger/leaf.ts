/**
 * Leaf (DESIGN section 2): what the log says about one document, and all it says: a version byte and the SHA-256 of the
 * document. No kind, no time, no pseudonym, so that the log may be public.
 */

import { hash } from 'node:crypto';

/** The only leaf version there is. */
const LEAF_VERSION = 1;
/** Bytes of a leaf entry: version byte 1 ‖ SHA-256(document). */
export const LEAF_ENTRY_BYTES = 33;

/** The log entry of a document: 33 bytes. `documentDigest` is the 32-byte SHA-256 of its bytes; RangeError otherwise. */
export function leafEntry(documentDigest: Uint8Array): Buffer {
  if (documentDigest.length !== 32) throw new RangeError('a document digest has 32 bytes');
  const entry = Buffer.allocUnsafe(LEAF_ENTRY_BYTES);
  entry[0] = LEAF_VERSION;
  entry.set(documentDigest, 1);
  return entry;
}

// One scratch buffer, as for inner nodes (`merkle.ts`): hashing is synchronous.
const leafInput = Buffer.alloc(1 + LEAF_ENTRY_BYTES);
leafInput[1] = LEAF_VERSION;

/** Leaf hash of a document (RFC 6962 section 2.1): SHA-256(0x00 ‖ leaf entry). 32 bytes; RangeError as `leafEntry`. */
export function documentLeafHash(documentDigest: Uint8Array): Buffer {
  if (documentDigest.length !== 32) throw new RangeError('a document digest has 32 bytes');
  leafInput.set(documentDigest, 2);
  return hash('sha256', leafInput, 'buffer');
}

/** The document digest (32 bytes, a view into `entry`) that a leaf entry names; undefined when it is no version 1 leaf. */
export function parseLeafEntry(entry: Buffer): Buffer | undefined {
  return entry.length === LEAF_ENTRY_BYTES && entry[0] === LEAF_VERSION ? entry.subarray(1) : undefined;
}
