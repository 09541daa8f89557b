import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BlobStore } from '../../../../src/record/blob-store.ts';
import { openFileBlobStore } from '../../../../src/storage/blobs/fs.ts';

let root: string;
let store: BlobStore;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'blobs with space-'));
  store = await openFileBlobStore(root);
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function* pieces(...all: Buffer[]): AsyncGenerator<Buffer> {
  yield* all;
}
const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();

describe('file blob store', () => {
  it('stores, stats, reads by range, lists and removes', async () => {
    const bytes = randomBytes(1_400_000);
    const digest = sha256(bytes);
    expect(await store.stat(digest)).toBeUndefined();
    await store.put(pieces(bytes.subarray(0, 700_000), bytes.subarray(700_000)), () => digest);
    await store.put(pieces(bytes), () => digest);
    expect(await store.stat(digest)).toMatchObject({ size: bytes.length });
    expect((await store.readAt(digest, 1000, 5000)).equals(bytes.subarray(1000, 6000))).toBe(true);
    expect((await store.readAt(digest, bytes.length - 3, 10)).length).toBe(3);
    const hex = digest.toString('hex');
    expect((await stat(join(root, hex.slice(0, 2), hex.slice(2)))).mode & 0o777).toBe(0o600);
    const listed = [];
    for await (const blob of store.list()) listed.push(blob.digest.toString('hex'));
    expect(listed).toEqual([hex]);
    await store.remove(digest);
    await store.remove(digest);
    expect(await store.stat(digest)).toBeUndefined();
    await expect(store.readAt(digest, 0, 1)).rejects.toMatchObject({ code: 'not-found' });
  });

  it('keeps nothing of a stream that breaks, and passes its error on', async () => {
    const broken = async function* (): AsyncGenerator<Buffer> {
      yield randomBytes(600_000);
      throw new Error('the sender went away');
    };
    await expect(store.put(broken(), () => randomBytes(32))).rejects.toThrow('the sender went away');
    expect(await readdir(join(root, 'tmp'))).toEqual([]);
    for await (const blob of store.list()) expect.unreachable(blob.digest.toString('hex'));
  });

  it('cannot be led to another path: names are digests of 32 bytes', async () => {
    await expect(store.put(pieces(Buffer.from('x')), () => Buffer.from('../../etc/passwd'))).rejects.toMatchObject({
      code: 'internal',
    });
    await expect(store.readAt(Buffer.from('..'), 0, 1)).rejects.toMatchObject({ code: 'internal' });
    expect(await readdir(join(root, 'tmp'))).toEqual([]);
  });

  it('is the same store when it is opened again', async () => {
    const bytes = randomBytes(10);
    await store.put(pieces(bytes), () => sha256(bytes));
    const again = await openFileBlobStore(root);
    expect((await again.readAt(sha256(bytes), 0, 10)).equals(bytes)).toBe(true);
  });
});
