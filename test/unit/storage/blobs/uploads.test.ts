import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { openBlobUploads } from '../../../../src/storage/blobs/uploads.ts';

const root = mkdtempSync(join(tmpdir(), 'anamnesis-uploads-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function* pieces(bytes: Buffer, size: number, failing: boolean): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  if (failing) throw new Error('cut');
}

async function whole(read: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of read) parts.push(part);
  return Buffer.concat(parts);
}

describe('uploads', () => {
  it('keep what came, wherever the sender is cut off, in this process or the next', async () => {
    let n = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 4000 }),
        fc.array(fc.tuple(fc.nat({ max: 2000 }), fc.integer({ min: 1, max: 700 }), fc.boolean()), { maxLength: 6 }),
        async (content, parts) => {
          const bytes = Buffer.from(content);
          const digest = Buffer.alloc(32);
          digest.writeUInt32BE((n += 1));
          let at = 0;
          for (const [length, size, failing] of parts) {
            const uploads = await openBlobUploads(root);
            expect(await uploads.offset(digest)).toBe(at);
            const part = bytes.subarray(at, at + length);
            const taken = uploads.append(digest, at, pieces(part, size, failing));
            if (failing) await expect(taken).rejects.toThrow('cut');
            else expect(await taken).toBe(at + part.length);
            at += part.length;
          }
          const uploads = await openBlobUploads(root);
          expect(await uploads.offset(digest)).toBe(at);
          if (parts.length > 0) expect(await whole(uploads.read(digest))).toEqual(bytes.subarray(0, at));
          await uploads.remove(digest);
          await uploads.remove(digest);
          expect(await uploads.offset(digest)).toBe(0);
          await expect(whole(uploads.read(digest))).rejects.toMatchObject({ code: 'not-found' });
        },
      ),
      { numRuns: 40 },
    );
  });

  it('that nobody goes on with are removed at a start a week later', async () => {
    const [old, young] = ['a'.repeat(64), 'b'.repeat(64)];
    for (const name of [old, young]) writeFileSync(join(root, name), 'x');
    const longAgo = Date.now() / 1000 - 8 * 24 * 3600;
    utimesSync(join(root, old), longAgo, longAgo);
    await openBlobUploads(root);
    expect(readdirSync(root)).toEqual([young]);
  });

  it('say so when the directory cannot be used', async () => {
    const file = join(root, 'file');
    writeFileSync(file, '');
    await expect(openBlobUploads(file)).rejects.toMatchObject({ code: 'unavailable' });
  });
});
