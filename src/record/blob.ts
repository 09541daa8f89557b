/**
 * Blob (DESIGN section 4): STREAM construction over AES-256-GCM, in plaintext chunks of 64 KiB, so that an object is
 * sealed while it arrives, read by range, and never held whole.
 *
 *   blob   = header ‖ chunk*          header = "ANMBLOB" ‖ version 1, 8 bytes
 *   chunk  = AES-256-GCM(key, nonce, AAD = header) ‖ tag 16
 *   nonce  = chunk number u88be ‖ last-chunk flag (0 or 1), 12 bytes (as in age)
 *
 * Every blob has a random key of its own, so counting nonces never repeat. Only an empty blob ends in an empty chunk.
 */
import { createCipheriv, createDecipheriv, createHash, createSecretKey, type KeyObject } from 'node:crypto';
import { GatewayError } from '../core/errors.ts';
import { BLOB_CHUNK_BYTES } from '../core/limits.ts';

/** Bytes of a blob key. */
export const BLOB_KEY_BYTES = 32;

const HEADER = Buffer.from('ANMBLOB\x01', 'latin1');
const TAG_BYTES = 16;
const SEALED_CHUNK_BYTES = BLOB_CHUNK_BYTES + TAG_BYTES;

/** What a sealed blob turned out to be. */
export interface BlobSummary {
  /** SHA-256 of the ciphertext, header included, 32 bytes: the blob's name. */
  readonly digest: Buffer;
  /** Ciphertext bytes, header included. */
  readonly size: number;
  readonly plaintextSize: number;
}

/** Seals one blob piece by piece; holds at most one chunk. Pieces given to it may be reused by the caller afterwards. */
export interface BlobSealer {
  /** Takes the next plaintext bytes and returns the ciphertext that is ready: none, or whole chunks. */
  update(plaintext: Uint8Array): readonly Buffer[];
  /** Ends the blob and returns the rest of the ciphertext. Once only. */
  final(): readonly Buffer[];
  /** After `final()`. Throws `internal` before. */
  summary(): BlobSummary;
}

function nonceOf(chunk: number, last: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(chunk), 3);
  nonce[11] = last ? 1 : 0;
  return nonce;
}

function keyObjectOf(key: Uint8Array): KeyObject {
  if (key.byteLength !== BLOB_KEY_BYTES) throw new GatewayError('internal', `a blob key has ${BLOB_KEY_BYTES} bytes`);
  return createSecretKey(key);
}

/** A sealer under a fresh random key of 32 bytes, which must never seal a second blob. The key is copied. */
export function createBlobSealer(key: Uint8Array): BlobSealer {
  const keyObject = keyObjectOf(key);
  const hash = createHash('sha256');
  const pending = Buffer.allocUnsafe(BLOB_CHUNK_BYTES);
  let filled = 0;
  let chunks = 0;
  let size = 0;
  let plaintextSize = 0;
  let done: BlobSummary | undefined;

  const sealChunk = (out: Buffer[], last: boolean): void => {
    const cipher = createCipheriv('aes-256-gcm', keyObject, nonceOf(chunks, last));
    cipher.setAAD(HEADER);
    const text = cipher.update(pending.subarray(0, filled));
    cipher.final();
    const sealed = Buffer.concat(chunks === 0 ? [HEADER, text, cipher.getAuthTag()] : [text, cipher.getAuthTag()]);
    hash.update(sealed);
    size += sealed.length;
    out.push(sealed);
    chunks += 1;
    filled = 0;
  };

  return {
    update(plaintext) {
      if (done !== undefined) throw new GatewayError('internal', 'the blob is already ended');
      const out: Buffer[] = [];
      plaintextSize += plaintext.byteLength;
      for (let at = 0; at < plaintext.byteLength;) {
        // A full chunk waits until more comes: only then is it known not to be the last one.
        if (filled === BLOB_CHUNK_BYTES) sealChunk(out, false);
        const take = Math.min(BLOB_CHUNK_BYTES - filled, plaintext.byteLength - at);
        pending.set(plaintext.subarray(at, at + take), filled);
        filled += take;
        at += take;
      }
      return out;
    },
    final() {
      if (done !== undefined) throw new GatewayError('internal', 'the blob is already ended');
      const out: Buffer[] = [];
      sealChunk(out, true);
      pending.fill(0);
      done = { digest: hash.digest(), size, plaintextSize };
      return out;
    },
    summary() {
      if (done === undefined) throw new GatewayError('internal', 'the blob is not ended');
      return done;
    },
  };
}

/** Where a sealed blob is read from. */
export interface BlobSource {
  /** Ciphertext bytes as the manifest states them, not as the store found them: it decides which chunk is the last. */
  readonly size: number;
  /** Exactly `length` bytes from `offset`; what comes back shorter is taken as a damaged blob. */
  readAt(offset: number, length: number): Promise<Uint8Array>;
}

/** Plaintext bytes wanted, from `start` inclusive to `end` exclusive; clipped to the blob. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

const damaged = (cause?: unknown): GatewayError =>
  new GatewayError('integrity', 'a blob does not open: it was changed or cut, or its key is another', { cause });

/** Plaintext bytes in a blob of this many ciphertext bytes. Throws `integrity` for a size that no blob has. */
export function blobPlaintextSize(size: number): number {
  const body = size - HEADER.length;
  const whole = Math.floor(body / SEALED_CHUNK_BYTES);
  const rest = body - whole * SEALED_CHUNK_BYTES;
  const odd = rest !== 0 && (rest < TAG_BYTES || (rest === TAG_BYTES && whole > 0));
  if (!Number.isSafeInteger(size) || body < TAG_BYTES || odd) throw damaged();
  return whole * BLOB_CHUNK_BYTES + Math.max(rest - TAG_BYTES, 0);
}

/**
 * Opens a blob or a range of it, chunk by chunk: memory stays at one chunk. Each yielded piece is authentic when it is
 * yielded, and owned by the caller. Throws `integrity` for anything changed, cut, reordered or opened with another key.
 */
export async function* openBlob(
  key: Uint8Array,
  source: BlobSource,
  range?: ByteRange,
): AsyncGenerator<Buffer, void, undefined> {
  const keyObject = keyObjectOf(key);
  const plaintextSize = blobPlaintextSize(source.size);
  const start = Math.max(range?.start ?? 0, 0);
  const end = Math.min(range?.end ?? plaintextSize, plaintextSize);
  // A whole read opens the one chunk of an empty blob too, so that even emptiness is authentic.
  if (start >= end && range !== undefined) return;
  const header = await source.readAt(0, HEADER.length);
  if (!HEADER.equals(header)) throw damaged();
  const lastChunk = Math.max(Math.ceil(plaintextSize / BLOB_CHUNK_BYTES) - 1, 0);
  const until = Math.max(Math.ceil(end / BLOB_CHUNK_BYTES) - 1, 0);
  for (let chunk = Math.floor(start / BLOB_CHUNK_BYTES); chunk <= until; chunk += 1) {
    const base = chunk * BLOB_CHUNK_BYTES;
    const length = Math.min(BLOB_CHUNK_BYTES, plaintextSize - base);
    const sealed = await source.readAt(HEADER.length + chunk * SEALED_CHUNK_BYTES, length + TAG_BYTES);
    if (sealed.byteLength !== length + TAG_BYTES) throw damaged();
    const text = openChunk(keyObject, nonceOf(chunk, chunk === lastChunk), sealed);
    const piece = text.subarray(Math.max(start - base, 0), Math.min(end - base, length));
    if (piece.length > 0) yield piece;
  }
}

function openChunk(key: KeyObject, nonce: Buffer, sealed: Uint8Array): Buffer {
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, nonce);
    decipher.setAAD(HEADER);
    decipher.setAuthTag(sealed.subarray(sealed.byteLength - TAG_BYTES));
    const text = decipher.update(sealed.subarray(0, sealed.byteLength - TAG_BYTES));
    decipher.final();
    return text;
  } catch (cause) {
    throw damaged(cause);
  }
}
