/** An archive of a log, read by a mirror of it: whatever bit of it is another one, it is not taken for the log. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ByteReader } from '../../../src/core/byte-reader.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { EMPTY_POLICY } from '../../../src/ledger/policy.ts';
import { exportArchive, importArchive } from '../../../src/replication/archive.ts';
import { encodeFrame, readFrame, type Frame } from '../../../src/replication/frames.ts';
import { createMirror, type Mirror } from '../../../src/replication/mirror.ts';
import { trustOf } from '../../../src/replication/trust.ts';
import { openFileBlobStore } from '../../../src/storage/blobs/fs.ts';
import { openBlobUploads } from '../../../src/storage/blobs/uploads.ts';
import { checkpointStore } from '../../../src/storage/pg/checkpoint-store.ts';
import { dropMirroredLog, mirrorRows, mirrorStore } from '../../../src/storage/pg/mirror-store.ts';
import { openPool, type Pool } from '../../../src/storage/pg/pool.ts';
import { openPeerOrigin, type PeerOrigin } from '../../support/peer-origin.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { noteSigner } from '../../unit/ledger/support.ts';

let origin: PeerOrigin;
let database: TestDatabase;
let pool: Pool;
let archive: Buffer;
const folder = mkdtempSync(join(tmpdir(), 'anamnesis-archive-'));

beforeAll(async () => {
  origin = await openPeerOrigin();
  for (let block = 0; block < 3; block += 1) await origin.grow(2);
  await origin.grow(1, 3000);
  database = await createTestDatabase();
  // As a superuser: the copy of a log is dropped between two tries.
  pool = openPool(database.admin, { max: 4, statementTimeoutMs: 0 }, () => {});
  const blobs = origin.blobs;
  const source = {
    origin: origin.key.name,
    log: origin.log,
    async *blobs() {
      for (const [digest, bytes] of blobs) yield { leaf: 0, digest: Buffer.from(digest, 'hex'), size: bytes.length };
    },
    async *readBlob(digest: Buffer) {
      yield blobs.get(digest.toString('hex')) ?? Buffer.alloc(0);
    },
    withBlobs: true,
  };
  const pieces: Buffer[] = [];
  for await (const piece of exportArchive(source, await origin.latest())) pieces.push(piece);
  archive = Buffer.concat(pieces);
});
afterAll(async () => {
  await pool.end();
  await database.drop();
  await origin.close();
  rmSync(folder, { recursive: true, force: true });
});

let mirrors = 0;

/** A mirror that has nothing of the log and remembers nothing. */
async function emptyMirror(): Promise<Mirror> {
  await dropMirroredLog(pool, origin.key.name);
  mirrors += 1;
  return createMirror({
    trust: trustOf({ ...EMPTY_POLICY, logs: [{ key: origin.key, url: undefined }] }, () => false),
    pending: checkpointStore(pool, 'mirror'),
    store: mirrorStore(pool),
    rows: (log) => mirrorRows(pool, log),
    blobs: await openFileBlobStore(join(folder, `${mirrors}`, 'blobs')),
    uploads: await openBlobUploads(join(folder, `${mirrors}`, 'uploads')),
    keepsBlobs: true,
    quotaBytes: Number.MAX_SAFE_INTEGER,
    hasRoom: () => true,
    clock: systemClock,
    signer: noteSigner('mirror.example/mirror'),
    onEquivocation: () => {},
  });
}

async function take(bytes: Buffer): Promise<number> {
  const mirror = await emptyMirror();
  async function* stream(): AsyncGenerator<Buffer> {
    yield bytes;
  }
  return importArchive(
    { mirror, pending: checkpointStore(pool, 'mirror'), origin: origin.key.name },
    new ByteReader(stream()),
  );
}

it('is taken as it is', async () => {
  expect(await take(archive)).toBe((await origin.latest()).size);
});

it('is taken with no bit changed, no byte missing and none behind it', async () => {
  const flips = fc.tuple(fc.nat(archive.length - 1), fc.nat(7));
  await fc.assert(
    fc.asyncProperty(flips, async ([at, bit]) => {
      const changed = Buffer.from(archive);
      changed[at] ^= 1 << bit;
      await expect(take(changed), `byte ${at}`).rejects.toMatchObject({
        code: expect.stringMatching(/integrity|invalid-syntax|too-large/),
      });
    }),
    { numRuns: 120 },
  );
  await expect(take(archive.subarray(0, -1))).rejects.toMatchObject({ code: 'invalid-syntax' });
  await expect(take(Buffer.concat([archive, Buffer.of(0)]))).rejects.toMatchObject({ code: 'invalid-syntax' });
}, 60_000);

it('a block must begin where the one before it ended, in a stream that goes on as well', async () => {
  const mirror = await emptyMirror();
  const { size } = await origin.latest();
  const name = origin.key.name;
  const frames: Frame[] = [];
  async function* whole(): AsyncGenerator<Buffer> {
    yield await origin.data(0, size, 0);
  }
  const reader = new ByteReader(whole());
  for (let frame = await readFrame(reader); typeof frame === 'object'; frame = await readFrame(reader))
    frames.push(frame);
  const send = async (part: readonly Frame[], from: number): ReturnType<Mirror['addData']> => {
    async function* body(): AsyncGenerator<Buffer> {
      for (const frame of part) yield encodeFrame(frame);
    }
    return mirror.addData(name, from, body());
  };
  const wrong = (frame: Frame): Frame =>
    frame.kind === 'block' ? { kind: 'block', block: { ...frame.block, firstLeaf: frame.block.firstLeaf + 1 } } : frame;
  const second = frames.findIndex((frame) => frame.kind === 'block') + 1;
  const checkpoint = (await origin.latest()).checkpoint;
  expect((await mirror.addCheckpoint(`old 0\n\n${checkpoint}`)).status).toBe(200);
  const entries = await origin.entries(0, size);
  async function* upload(): AsyncGenerator<Buffer> {
    yield entries;
  }
  expect((await mirror.addEntries(upload())).status).toBe(200);
  expect(await send(frames.slice(0, second).map(wrong), 0)).toMatchObject({ kind: 'refused' });
  // The documents before it were right, and are kept; the block comes again.
  const begun = await mirror.status(name);
  expect([begun.held > 0, begun.nextBlock]).toEqual([true, 0]);
  expect(await send(frames.slice(second - 1, second), begun.held)).toMatchObject({ kind: 'stored' });
  expect((await mirror.status(name)).nextBlock).toBe(1);
  // The next one, in another upload: where the last one ended stands in the database.
  expect(await send(frames.slice(second).map(wrong), begun.held)).toMatchObject({ kind: 'refused' });
  const { held, nextBlock } = await mirror.status(name);
  expect(nextBlock).toBe(1);
  const block = frames.findIndex((frame) => frame.kind === 'block' && frame.block.number === 1);
  expect(await send(frames.slice(block), held)).toMatchObject({ kind: 'stored', held: size });
});
