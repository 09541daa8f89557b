import { hash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import { blobIntact } from '../../../src/services/blob-intact.ts';

function storeOf(bytes: Buffer | undefined): Parameters<typeof blobIntact>[0] {
  return {
    stat: async (digest) =>
      bytes === undefined ? undefined : { digest: Buffer.from(digest), size: bytes.length, storedAt: 0 },
    readAt: async (_, offset, length) => {
      if (bytes === undefined) throw new GatewayError('not-found', 'no blob');
      return bytes.subarray(offset, offset + length);
    },
  };
}

describe('blobIntact', () => {
  it('is true for the blob itself, of any length, and for nothing else', async () => {
    for (const size of [0, 1, 524_288, 1_300_000]) {
      const bytes = randomBytes(size);
      const digest = hash('sha256', bytes, 'buffer');
      expect(await blobIntact(storeOf(bytes))(digest, size)).toBe(true);
      expect(await blobIntact(storeOf(bytes))(digest, size + 1)).toBe(false);
      expect(await blobIntact(storeOf(bytes))(Buffer.alloc(32), size)).toBe(false);
      expect(await blobIntact(storeOf(undefined))(digest, size)).toBe(false);
    }
  });

  it('is false when the blob goes away or ends while it is read, and rejects when the store fails', async () => {
    const bytes = randomBytes(600_000);
    const digest = hash('sha256', bytes, 'buffer');
    const { stat } = storeOf(bytes);
    const failing = (code: 'not-found' | 'unavailable') => async (): Promise<Buffer> => {
      throw new GatewayError(code, 'no');
    };
    expect(await blobIntact({ stat, readAt: failing('not-found') })(digest, bytes.length)).toBe(false);
    expect(await blobIntact({ stat, readAt: async () => Buffer.alloc(0) })(digest, bytes.length)).toBe(false);
    await expect(blobIntact({ stat, readAt: failing('unavailable') })(digest, bytes.length)).rejects.toThrow('no');
  });
});
