import { createHash, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BLOB_CHUNK_BYTES } from '../../../src/core/limits.ts';
import {
  blobPlaintextSize,
  createBlobSealer,
  openBlob,
  type BlobSource,
  type ByteRange,
} from '../../../src/record/blob.ts';

const CHUNK = BLOB_CHUNK_BYTES;
const SEALED = CHUNK + 16;

function seal(
  key: Buffer,
  pieces: readonly Uint8Array[],
): { sealed: Buffer; summary: ReturnType<ReturnType<typeof createBlobSealer>['summary']> } {
  const sealer = createBlobSealer(key);
  const out = pieces.flatMap((piece) => [...sealer.update(piece)]);
  out.push(...sealer.final());
  return { sealed: Buffer.concat(out), summary: sealer.summary() };
}

const sourceOf = (bytes: Buffer, size = bytes.length): BlobSource => ({
  size,
  readAt: async (offset, length) => bytes.subarray(offset, offset + length),
});

async function open(key: Buffer, source: BlobSource, range?: ByteRange): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of openBlob(key, source, range)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Cuts a buffer at the given fractions. */
function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const marks = [0, ...at.map((f) => Math.floor(f * bytes.length)).toSorted((a, b) => a - b), bytes.length];
  return marks.slice(1).map((end, i) => bytes.subarray(marks[i], end));
}

const sizes = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.constantFrom(0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 1, 3 * CHUNK),
);

describe('blob', () => {
  it('opens what was sealed, whatever the pieces, and tells its digest and sizes', async () => {
    await fc.assert(
      fc.asyncProperty(
        sizes,
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 5 }),
        async (size, at) => {
          const key = randomBytes(32);
          const plain = randomBytes(size);
          const { sealed, summary } = seal(key, cut(plain, at));
          expect(summary.digest.equals(createHash('sha256').update(sealed).digest())).toBe(true);
          expect(summary).toMatchObject({ size: sealed.length, plaintextSize: size });
          expect(blobPlaintextSize(sealed.length)).toBe(size);
          expect((await open(key, sourceOf(sealed))).equals(plain)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('opens any range', async () => {
    const key = randomBytes(32);
    const plain = randomBytes(3 * CHUNK + 77);
    const { sealed } = seal(key, [plain]);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: -10, max: plain.length + 10 }),
        fc.integer({ min: -10, max: plain.length + 10 }),
        async (start, end) => {
          const got = await open(key, sourceOf(sealed), { start, end });
          expect(got.equals(plain.subarray(Math.max(start, 0), Math.max(end, 0, start)))).toBe(true);
        },
      ),
      { numRuns: 80 },
    );
  });

  it('refuses any flipped bit', async () => {
    const key = randomBytes(32);
    const { sealed } = seal(key, [randomBytes(CHUNK + 500)]);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: sealed.length * 8 - 1 }), async (bit) => {
        const bad = Buffer.from(sealed);
        bad[bit >> 3] ^= 1 << (bit & 7);
        await expect(open(key, sourceOf(bad))).rejects.toMatchObject({ code: 'integrity' });
      }),
      { numRuns: 80 },
    );
  });

  it('refuses truncation at every chunk boundary and elsewhere, and appended bytes', async () => {
    const key = randomBytes(32);
    const { sealed } = seal(key, [randomBytes(3 * CHUNK)]);
    for (const size of [
      0,
      7,
      8,
      20,
      8 + 16,
      8 + SEALED,
      8 + 2 * SEALED,
      8 + 2 * SEALED + 16,
      8 + 2 * SEALED + 17,
      sealed.length - 1,
    ]) {
      await expect(open(key, sourceOf(sealed.subarray(0, size)))).rejects.toMatchObject({ code: 'integrity' });
      // The manifest's size with a file that is shorter: a range in the missing part is refused as well.
      await expect(open(key, sourceOf(sealed.subarray(0, size), sealed.length))).rejects.toMatchObject({
        code: 'integrity',
      });
    }
    for (const extra of [1, 16, 17, SEALED]) {
      await expect(open(key, sourceOf(Buffer.concat([sealed, randomBytes(extra)])))).rejects.toMatchObject({
        code: 'integrity',
      });
    }
  });

  it('refuses chunks in another order, repeated, or of another blob', async () => {
    const key = randomBytes(32);
    const { sealed } = seal(key, [randomBytes(4 * CHUNK)]);
    const other = seal(randomBytes(32), [randomBytes(4 * CHUNK)]).sealed;
    const chunk = (of: Buffer, n: number): Buffer => of.subarray(8 + n * SEALED, 8 + (n + 1) * SEALED);
    const head = sealed.subarray(0, 8);
    const swapped = Buffer.concat([head, chunk(sealed, 1), chunk(sealed, 0), chunk(sealed, 2), chunk(sealed, 3)]);
    const repeated = Buffer.concat([head, chunk(sealed, 0), chunk(sealed, 0), chunk(sealed, 2), chunk(sealed, 3)]);
    const foreign = Buffer.concat([head, chunk(sealed, 0), chunk(other, 1), chunk(sealed, 2), chunk(sealed, 3)]);
    for (const bad of [swapped, repeated, foreign]) {
      await expect(open(key, sourceOf(bad))).rejects.toMatchObject({ code: 'integrity' });
    }
    await expect(open(randomBytes(32), sourceOf(sealed))).rejects.toMatchObject({ code: 'integrity' });
  });

  it('proves that an empty blob is empty', async () => {
    const { sealed } = seal(randomBytes(32), []);
    await expect(open(randomBytes(32), sourceOf(sealed))).rejects.toMatchObject({ code: 'integrity' });
  });
});
