/** Randomness as an argument. The system source is the operating system's CSPRNG through node:crypto. */
import { randomFillSync } from 'node:crypto';

export interface Random {
  /** `length` fresh random bytes, owned by the caller. */
  bytes(length: number): Buffer;
}

const POOL_BYTES = 8192;
let pool = Buffer.alloc(0);
let used = 0;

/** Draws from a pool refilled 8 KiB at a time: one system call for many small requests. Bytes are handed out once. */
export const systemRandom: Random = {
  bytes(length) {
    if (length > POOL_BYTES / 4) return randomFillSync(Buffer.alloc(length));
    if (used + length > pool.length) {
      pool = randomFillSync(Buffer.alloc(POOL_BYTES));
      used = 0;
    }
    const out = Buffer.from(pool.subarray(used, used + length));
    pool.fill(0, used, used + length);
    used += length;
    return out;
  },
};

/** A random UUID (RFC 9562 version 4) in the usual lower-case text form. */
export function randomUuid(random: Random): string {
  const bytes = random.bytes(16);
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return formatUuid(bytes);
}

/** 16 bytes as 8-4-4-4-12 lower-case hex. */
export function formatUuid(bytes: Uint8Array): string {
  return hexUuid(Buffer.from(bytes.buffer, bytes.byteOffset, 16).toString('hex'));
}

/** The first 32 hexadecimal digits as 8-4-4-4-12. */
export function hexUuid(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}
