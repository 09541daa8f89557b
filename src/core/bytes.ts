/**
 * Byte helpers shared by every format: base64url, big-endian integers, length-prefixed concatenation, comparison.
 * Nothing here keeps a reference to its input.
 */
import { timingSafeEqual } from 'node:crypto';

/** base64url without padding (RFC 4648 section 5). */
export function toBase64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}

/** Decodes base64url without padding; returns undefined when the text is not canonical base64url. */
export function fromBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}

/** Unsigned 64-bit big-endian encoding of a non-negative safe integer. */
export function u64be(value: number): Buffer {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(BigInt(value));
  return out;
}

/** Unsigned 32-bit big-endian encoding. */
export function u32be(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
}

/**
 * Joins text parts unambiguously: each as a u32be byte length and its UTF-8 bytes, so that ("a","bc") and ("ab","c")
 * differ. This is the only input form of keyed digests in the product.
 */
export function lengthPrefixed(parts: readonly string[]): Buffer {
  let size = 0;
  for (const part of parts) size += 4 + Buffer.byteLength(part);
  const out = Buffer.allocUnsafe(size);
  let at = 0;
  for (const part of parts) {
    const written = out.write(part, at + 4);
    out.writeUInt32BE(written, at);
    at += 4 + written;
  }
  return out;
}

/** Constant-time equality; false when the lengths differ. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && timingSafeEqual(a, b);
}
