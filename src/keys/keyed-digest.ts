/**
 * HMAC-SHA256 (RFC 2104) of length-prefixed parts, the one form of keyed digest in the index. Made of two one-shot hashes
 * over kept pads: half the time of `createHmac` (1.4 us against 3.0), and an indexed message takes a hundred. A test proves
 * it equal to node's.
 */
import { createHmac, hash } from 'node:crypto';
import { lengthPrefixed } from '../core/bytes.ts';

/** SHA-256 works in blocks of 64 bytes; a key of at most that many is padded with zeros. */
const BLOCK = 64;
const DIGEST = 32;
/** Bytes of parts, prefixes included, up to which the scratch buffer serves; longer ones go the ordinary way. */
const SCRATCH = 4096;

interface Pads {
  readonly inner: Buffer;
  readonly outer: Buffer;
}

const pads = new WeakMap<Buffer, Pads>();
const message = Buffer.alloc(BLOCK + SCRATCH);
const closing = Buffer.alloc(BLOCK + DIGEST);

function padsOf(secret: Buffer): Pads {
  const known = pads.get(secret);
  if (known !== undefined) return known;
  const made = makePads(secret);
  pads.set(secret, made);
  return made;
}

function makePads(secret: Uint8Array): Pads {
  const made = { inner: Buffer.alloc(BLOCK, 0x36), outer: Buffer.alloc(BLOCK, 0x5c) };
  for (let i = 0; i < secret.length; i += 1) {
    made.inner[i] ^= secret[i];
    made.outer[i] ^= secret[i];
  }
  return made;
}

/** `secret`: 32 bytes, never changed afterwards. `encoding` of the 32 bytes of the digest. */
export function keyedDigest(secret: Buffer, parts: readonly string[], encoding: 'hex' | 'base64url'): string {
  let most = 0;
  // A UTF-16 unit takes at most three bytes of UTF-8.
  for (const part of parts) most += 4 + 3 * part.length;
  if (most > SCRATCH || secret.length > BLOCK) {
    return createHmac('sha256', secret).update(lengthPrefixed(parts)).digest(encoding);
  }
  const { inner, outer } = padsOf(secret);
  inner.copy(message);
  let at = BLOCK;
  for (const part of parts) {
    const written = message.write(part, at + 4);
    message.writeUInt32BE(written, at);
    at += 4 + written;
  }
  return finish(outer, at, encoding);
}

/** HMAC-SHA256 (RFC 2104) of a number as eight bytes, big-endian. `secret`: 32 bytes; nothing of it is kept. */
export function numberDigest(secret: Uint8Array, n: number, encoding: 'hex' | 'base64url'): string {
  const { inner, outer } = makePads(secret);
  inner.copy(message);
  message.writeBigUInt64BE(BigInt(n), BLOCK);
  return finish(outer, BLOCK + 8, encoding);
}

/** The digest of the `length` bytes of `message`, and the outer one around it. */
function finish(outer: Buffer, length: number, encoding: 'hex' | 'base64url'): string {
  outer.copy(closing);
  closing.write(hash('sha256', message.subarray(0, length), 'binary'), BLOCK, 'binary');
  return hash('sha256', closing, encoding);
}
