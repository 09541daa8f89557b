/**
 * What peers send that they should not: every request to witness and mirror that is wrong gets the status of its
 * specification, nothing of it is stored, and whoever sends the right thing in the same time is served as if alone.
 */
import { hash, randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { brotliCompressSync, constants, createGzip, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { u64be } from '../../src/core/bytes.ts';
import { formatSignatureLine } from '../../src/ledger/note.ts';
import { leafEntry } from '../../src/ledger/leaf.ts';
import { consistencyProof } from '../../src/ledger/consistency.ts';
import { encodeAddEntriesHeader, encodePackage, MIRROR_INFO, packageRanges } from '../../src/ledger/mirror-message.ts';
import { encodeAddCheckpoint, TLOG_SIZE } from '../../src/ledger/witness-message.ts';
import type { Target } from '../../src/replication/cosigner-client.ts';
import { encodeFrame, FRAME_MAX_BYTES } from '../../src/replication/frames.ts';
import { originHash } from '../../src/replication/trust.ts';
import { ed25519 } from '../unit/ledger/support.ts';
import { TestLog } from '../unit/replication/support.ts';
import { memberToken, openPeerGateway, type PeerGateway } from '../support/peer-gateway.ts';
import { LONG, SEED } from './scale.ts';
import { openPeerOrigin, type PeerOrigin } from '../support/peer-origin.ts';

const ORIGIN_X = 'x.example/anamnesis';
const ORIGIN_Y = 'y.example/anamnesis';
const KNOWN = 200;

let origin: PeerOrigin;
let head: Target;
let peer: PeerGateway;
let x: TestLog;
let y: TestLog;
let token: string;
beforeAll(async () => {
  origin = await openPeerOrigin();
  await origin.grow(4);
  head = await origin.grow(1, 3000);
  x = new TestLog(ORIGIN_X, 600);
  y = new TestLog(ORIGIN_Y, 600);
  peer = await openPeerGateway({ logs: [origin.key, x.key, y.key] });
  token = memberToken(origin.signer, origin.writer.keys.sign);
  for (const role of ['witness', 'mirror']) {
    const body = encodeAddCheckpoint(0, [], x.checkpoint(KNOWN));
    expect((await post(`${role}/add-checkpoint`, body)).status).toBe(200);
  }
});
afterAll(async () => {
  await peer.close();
  await origin.close();
});

type Body = string | Uint8Array;
interface Answer {
  readonly status: number;
  readonly text: string;
  readonly type: string;
}

async function send(method: string, path: string, body?: Body, headers: Record<string, string> = {}): Promise<Answer> {
  const sent = body === undefined ? {} : { body: typeof body === 'string' ? body : new Uint8Array(body) };
  const response = await fetch(`${peer.url}/${path}`, { method, headers, ...sent });
  return {
    status: response.status,
    text: await response.text(),
    type: (response.headers.get('content-type') ?? '').split(';')[0],
  };
}

const post = (path: string, body: Body, headers?: Record<string, string>): Promise<Answer> =>
  send('POST', path, body, headers);

interface Case {
  readonly what: string;
  readonly body: () => Promise<Body> | Body;
  readonly status: number;
  readonly answer?: string;
  readonly headers?: Record<string, string>;
}

/** add-checkpoint: the same for both roles. */
const CHECKPOINTS: readonly Case[] = [
  { what: 'nothing', body: () => '', status: 400 },
  { what: 'garbage', body: () => randomBytes(300), status: 400 },
  { what: 'no old size', body: () => `\n${x.checkpoint(300)}`, status: 400 },
  {
    what: 'an old size with a leading zero',
    body: async () => (await x.addCheckpoint(KNOWN, 300)).replace(`old ${KNOWN}`, `old 0${KNOWN}`),
    status: 400,
  },
  {
    what: 'a negative old size',
    body: async () => (await x.addCheckpoint(KNOWN, 300)).replace(`old ${KNOWN}`, `old -${KNOWN}`),
    status: 400,
  },
  {
    what: 'CRLF',
    body: async () => (await x.addCheckpoint(KNOWN, 300)).replaceAll('\n', '\r\n'),
    status: 400,
  },
  {
    what: 'a proof of 64 hashes',
    body: () => `old ${KNOWN}\n${`${Buffer.alloc(32).toString('base64')}\n`.repeat(64)}\n${x.checkpoint(300)}`,
    status: 400,
  },
  {
    what: 'a hash of 31 bytes',
    body: () => `old ${KNOWN}\n${Buffer.alloc(31).toString('base64')}\n\n${x.checkpoint(300)}`,
    status: 400,
  },
  {
    what: 'a body cut in its signature',
    body: () => encodeAddCheckpoint(KNOWN, [], x.checkpoint(300)).slice(0, -9),
    status: 400,
  },
  {
    what: 'a checkpoint without a signature',
    body: () => `old 0\n\n${x.checkpoint(300).split('\n\n')[0]}\n`,
    status: 400,
  },
  { what: 'an old size above the new one', body: () => encodeAddCheckpoint(301, [], x.checkpoint(300)), status: 400 },
  {
    what: 'an unknown origin',
    body: () => new TestLog('nobody.example/log', 9).addCheckpoint(0, 9),
    status: 404,
  },
  {
    what: 'a known origin under another key',
    body: () => new TestLog(ORIGIN_X, 600).addCheckpoint(KNOWN, 300),
    status: 403,
  },
  {
    what: "another log's signature",
    body: () => encodeAddCheckpoint(KNOWN, [], x.checkpoint(300).replace(ORIGIN_X, ORIGIN_Y)),
    status: 403,
  },
  {
    what: 'a trusted key with a wrong signature',
    body: () =>
      encodeAddCheckpoint(
        KNOWN,
        [],
        `${x.checkpoint(300).split('\n\n')[0]}\n\n${formatSignatureLine({ ...x.key, signature: Buffer.alloc(64) })}`,
      ),
    status: 403,
  },
  {
    what: 'a right and a wrong signature of one key',
    body: async () =>
      (await x.addCheckpoint(KNOWN, 300)) + formatSignatureLine({ ...x.key, signature: Buffer.alloc(64, 1) }),
    status: 403,
  },
  { what: 'an old size of long ago', body: () => x.addCheckpoint(0, 300), status: 409, answer: `${KNOWN}\n` },
  { what: 'an old size of the future', body: () => x.addCheckpoint(250, 300), status: 409, answer: `${KNOWN}\n` },
  { what: 'a step back', body: () => x.addCheckpoint(100, 150), status: 409, answer: `${KNOWN}\n` },
  { what: 'no proof', body: () => encodeAddCheckpoint(KNOWN, [], x.checkpoint(300)), status: 422 },
  {
    what: 'a wrong proof',
    body: async () =>
      encodeAddCheckpoint(KNOWN, [...(await x.proof(KNOWN, 300)).slice(1), Buffer.alloc(32)], x.checkpoint(300)),
    status: 422,
  },
  {
    what: 'a proof with a hash too many',
    body: async () => encodeAddCheckpoint(KNOWN, [...(await x.proof(KNOWN, 300)), Buffer.alloc(32)], x.checkpoint(300)),
    status: 422,
  },
  {
    what: 'a proof of another tree',
    body: async () => {
      const fork = new TestLog(ORIGIN_X, 300, { signer: x.signer });
      const digests = [...fork.digests.slice(0, 10), Buffer.alloc(32), ...fork.digests.slice(11)];
      return new TestLog(ORIGIN_X, 300, { signer: x.signer, digests }).addCheckpoint(KNOWN, 300);
    },
    status: 422,
  },
  {
    what: 'a proof from nothing',
    body: () => encodeAddCheckpoint(0, [Buffer.alloc(32)], y.checkpoint(5)),
    status: 422,
  },
  { what: 'more than a body may have', body: () => Buffer.alloc(600 * 1024, 'old 0\n'), status: 413 },
  {
    what: 'a packed body that grows beyond that',
    body: () => brotliCompressSync(Buffer.alloc(8 * 1024 * 1024, 'a')),
    status: 413,
    headers: { 'content-encoding': 'br' },
  },
  { what: 'an unknown encoding', body: () => 'x', status: 415, headers: { 'content-encoding': 'zopfli' } },
  { what: 'a broken encoding', body: () => 'x', status: 400, headers: { 'content-encoding': 'gzip' } },
];

/** add-entries of the origin's log, whose pending checkpoint is `head`; nothing of it is stored yet. */
const entryLie = (bytes: number): Buffer =>
  encodePackage(
    [...Array(Math.min(256, head.size))].map(() => Buffer.alloc(bytes, 1)),
    [],
  );
const entryHeader = (over: object = {}): Buffer =>
  encodeAddEntriesHeader({ origin: origin.key.name, start: 0, end: head.size, ticket: Buffer.alloc(0), ...over });
const ENTRIES: readonly Case[] = [
  { what: 'nothing', body: () => '', status: 400 },
  { what: 'garbage', body: () => Buffer.concat([Buffer.from([255, 255]), randomBytes(300)]), status: 400 },
  { what: 'a cut header', body: () => entryHeader().subarray(0, 20), status: 400 },
  { what: 'a header alone', body: () => entryHeader(), status: 400 },
  { what: 'a start behind the end', body: () => entryHeader({ start: head.size + 1 }), status: 400 },
  {
    what: 'sizes beyond 2^53',
    body: () =>
      Buffer.concat([
        Buffer.from([0, origin.key.name.length]),
        Buffer.from(origin.key.name),
        Buffer.alloc(16, 255),
        Buffer.alloc(2),
      ]),
    status: 400,
  },
  { what: 'an unknown origin', body: () => entryHeader({ origin: 'nobody.example' }), status: 404 },
  { what: 'a log without a pending checkpoint', body: () => entryHeader({ origin: ORIGIN_Y, end: 3 }), status: 422 },
  { what: 'an end that is no pending checkpoint', body: () => entryHeader({ end: head.size + 1 }), status: 409 },
  { what: 'a start behind the next entry', body: () => entryHeader({ start: 1 }), status: 409 },
  {
    what: 'a ticket that this mirror never gave',
    body: () => entryHeader({ end: head.size - 1, ticket: randomBytes(120) }),
    status: 409,
  },
  { what: 'entries of another log', body: () => Buffer.concat([entryHeader(), entryLie(33)]), status: 422 },
  { what: 'entries that are no leaves', body: () => Buffer.concat([entryHeader(), entryLie(34)]), status: 422 },
  {
    what: 'an entry as long as one can be, whatever follows',
    body: () => Buffer.concat([entryHeader(), Buffer.from([255, 255]), Buffer.alloc(10)]),
    status: 422,
  },
  {
    what: 'the right entries with a wrong proof',
    body: async () => {
      const right = await origin.entries(0, head.size);
      return Buffer.concat([right.subarray(0, -1), Buffer.from([1]), Buffer.alloc(32)]);
    },
    status: 422,
  },
  {
    what: 'a package that is cut',
    body: async () => (await origin.entries(0, head.size)).subarray(0, -1),
    status: 400,
  },
  {
    what: 'gzip that is none',
    body: () => entryHeader(),
    status: 400,
    headers: { 'content-encoding': 'gzip' },
  },
  {
    what: 'gzip that is cut',
    body: async () => gzipSync(await origin.entries(0, head.size)).subarray(0, 200),
    status: 400,
    headers: { 'content-encoding': 'gzip' },
  },
  {
    what: 'gzip that never ends',
    body: () => gzipSync(Buffer.concat([entryHeader(), Buffer.alloc(64 * 1024 * 1024, 1)])),
    status: 422,
    headers: { 'content-encoding': 'gzip' },
  },
  { what: 'another encoding', body: () => entryHeader(), status: 415, headers: { 'content-encoding': 'br' } },
];

const frame = (kind: number, bytes: Buffer, length = bytes.length): Buffer => {
  const start = Buffer.alloc(5);
  start[0] = kind;
  start.writeUInt32BE(length, 1);
  return Buffer.concat([start, bytes]);
};

/** Log data from leaf 0, whose entries are all there. */
const DATA: readonly (Case & { readonly from?: number | string })[] = [
  { what: 'garbage', body: () => 'nonsense that is no frame', status: 422 },
  { what: 'a frame larger than any', body: () => frame(1, Buffer.alloc(8), FRAME_MAX_BYTES + 1), status: 422 },
  { what: 'a kind that there is not', body: () => frame(9, Buffer.alloc(80)), status: 422 },
  {
    what: 'a document that is not in the log',
    body: () => encodeFrame({ kind: 'document', leaf: 0, bytes: Buffer.from('a.b.c') }),
    status: 422,
  },
  { what: 'a document without bytes', body: () => frame(1, u64be(0)), status: 422 },
  { what: 'a later document first', body: async () => (await origin.data(1, 3, 99)) as Buffer, status: 422 },
  {
    what: 'a payload before its document',
    body: () => encodeFrame({ kind: 'payload', packed: Buffer.alloc(100, 7) }),
    status: 422,
  },
  {
    what: 'a block that is not the next one',
    body: async () => {
      const [block] = await origin.log.blocks(1, 1);
      return block === undefined ? '' : encodeFrame({ kind: 'block', block });
    },
    status: 422,
  },
  { what: 'a start that is elsewhere', from: 2, body: () => origin.data(2, 4, 0), status: 409 },
  { what: 'no number as start', from: '1e3', body: () => '', status: 400 },
  { what: 'a start before the beginning', from: '-1', body: () => '', status: 400 },
];

async function expectRefused(
  path: string,
  role: string,
  cases: readonly Case[],
  extra: Record<string, string> = {},
): Promise<void> {
  const before = await peer.kept();
  for (const { what, body, status, answer, headers } of cases) {
    const found = await post(path, await body(), { ...extra, ...headers });
    expect([what, found.status], `${role}: ${what}: ${found.text.slice(0, 200)}`).toEqual([what, status]);
    if (status === 409) expect(found.type, what).toBe(path.endsWith('checkpoint') ? TLOG_SIZE : found.type);
    if (answer !== undefined) expect(found.text, what).toBe(answer);
  }
  expect(await peer.kept(), role).toEqual(before);
}

describe('a request that is wrong', () => {
  it.each(['witness', 'mirror'])(
    'to add-checkpoint of the %s is refused as specified, and leaves nothing',
    async (role) => {
      // The row of a log that was never seen is made with the first look; it says nothing.
      await post(`${role}/add-checkpoint`, encodeAddCheckpoint(1, [], y.checkpoint(5)));
      await expectRefused(`${role}/add-checkpoint`, role, CHECKPOINTS);
    },
  );

  it('to add-entries is refused as specified, and leaves nothing', async () => {
    expect((await post('mirror/add-checkpoint', encodeAddCheckpoint(0, [], head.checkpoint))).status).toBe(200);
    await post('mirror/add-entries', entryHeader());
    await post('mirror/add-entries', entryHeader({ origin: ORIGIN_Y, end: 3 }));
    await expectRefused('mirror/add-entries', 'mirror', ENTRIES, { 'content-type': 'application/octet-stream' });
    const info = await post('mirror/add-entries', entryHeader({ start: 1 }));
    expect([info.type, info.text.split('\n').slice(0, 2)]).toEqual([MIRROR_INFO, [`${head.size}`, '0']]);
  });

  it('only in that it says the same a hundred times costs one verification, and one line is kept', async () => {
    const line = `${y.checkpoint(3).split('\n\n')[1]}`;
    const body = encodeAddCheckpoint(0, [], y.checkpoint(3) + line.repeat(99));
    expect((await post('mirror/add-checkpoint', body)).status).toBe(200);
    const kept = (await peer.kept()).accepted_checkpoint as { role: string; origin: string; note: string }[];
    expect(kept.find(({ role, origin: of }) => role === 'mirror' && of === ORIGIN_Y)?.note).toBe(y.checkpoint(3));
  });

  it('with log data is refused, and leaves nothing', async () => {
    expect((await post('mirror/add-entries', await origin.entries(0, head.size))).status).toBe(200);
    const path = `mirror/${originHash(origin.key.name)}`;
    const authorization = token;
    const before = await peer.kept();
    for (const { what, body, status, from = 0 } of DATA) {
      const found = await post(`${path}/data?from=${from}`, await body(), { authorization });
      expect([what, found.status], found.text).toEqual([what, status]);
    }
    // A right document with a wrong payload, and a right one whose payload is that of another.
    const whole = await origin.data(0, head.size, 0);
    for (const damage of [whole.length >> 1, whole.length - 40, 5 + 8 + 100]) {
      const changed = Buffer.from(whole);
      changed[damage] ^= 1;
      const found = await post(`${path}/data?from=0`, changed, { authorization });
      expect(found.status).toBe(422);
      const { held } = JSON.parse((await send('GET', `${path}/status`, undefined, { authorization })).text) as {
        held: number;
      };
      expect(held).toBeLessThan(head.size);
      if (held > 0) break;
    }
    const unsigned = memberToken({ ...origin.signer, ...ed25519() }, origin.writer.keys.sign);
    for (const wrong of ['', 'Bearer x', `${token}x`, unsigned, token.replace('Bearer', 'Basic')]) {
      for (const [method, where, sent] of [
        ['POST', 'data?from=0', whole],
        ['GET', 'data?from=0&block=0', undefined],
        ['GET', 'status', undefined],
        ['POST', `blob/${'0'.repeat(64)}?from=0`, 'x'],
        ['GET', `blob/${'0'.repeat(64)}/offset`, undefined],
        ['GET', `blob/${'0'.repeat(64)}`, undefined],
      ] as const) {
        expect(
          (await send(method, `${path}/${where}`, sent, { authorization: wrong })).status,
          `${wrong} ${where}`,
        ).toBe(401);
      }
    }
    expect((await send('GET', `mirror/${'0'.repeat(64)}/status`, undefined, { authorization })).status).toBe(404);
    const after = await peer.kept();
    expect(after.accepted_checkpoint).toEqual(before.accepted_checkpoint);
    // The right stream still goes through, from wherever the mirror says.
    const { held, nextBlock } = JSON.parse(
      (await send('GET', `${path}/status`, undefined, { authorization })).text,
    ) as {
      held: number;
      nextBlock: number;
    };
    expect(
      (await post(`${path}/data?from=${held}`, await origin.data(held, head.size, nextBlock), { authorization }))
        .status,
    ).toBe(200);
  });

  it('with a blob is refused, and leaves nothing', async () => {
    const [[digest, bytes]] = [...origin.blobs] as [[string, Buffer]];
    const path = `mirror/${originHash(origin.key.name)}/blob`;
    const authorization = token;
    const before = await peer.kept();
    const part = async (name: string, body: Body, from = '0'): Promise<number> =>
      (await send('POST', `${path}/${name}?from=${from}`, body, { authorization })).status;
    const offset = async (): Promise<unknown> =>
      JSON.parse((await send('GET', `${path}/${digest}/offset`, undefined, { authorization })).text);
    expect(await part(hash('sha256', 'another'), 'another')).toBe(404);
    expect(await part('nonsense', 'x')).toBe(400);
    expect(await part(digest, bytes, '-1')).toBe(400);
    // Another byte than the next one, or none: the answer says which one is wanted.
    expect(await part(digest, bytes, '5')).toBe(409);
    expect(await part(digest, '')).toBe(409);
    // What is wrong is found when the last byte has come, and begins again.
    expect(await part(digest, Buffer.alloc(bytes.length))).toBe(422);
    expect(await part(digest, bytes.subarray(1))).toBe(200);
    expect(await offset()).toEqual({ offset: bytes.length - 1, complete: false });
    expect(await part(digest, 'x', String(bytes.length - 1))).toBe(422);
    expect(await offset()).toEqual({ offset: 0, complete: false });
    expect(await part(digest, Buffer.concat([bytes, Buffer.alloc(5_000_000)]))).toBe(422);
    // And the connection of a sender who does not stop is not kept for what is left.
    const pouring = stall(`${path}/${digest}?from=0`, Buffer.concat([bytes, Buffer.alloc(300_000)]), { authorization });
    await new Promise((resolve) => pouring.once('close', resolve));
    expect(await peer.kept()).toEqual(before);
    expect(await part(digest, '', String(bytes.length))).toBe(200);
    expect(await part(digest, bytes)).toBe(404);
  });
});

/** A connection that sends this much of a request and then nothing. */
function stall(path: string, start: Body, headers: Readonly<Record<string, string>> = {}): Socket {
  const { hostname, port } = new URL(peer.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {}).resume();
  const lines = Object.entries({ host: 'x', 'content-length': '400000', ...headers }).map(([k, v]) => `${k}: ${v}\r\n`);
  socket.write(`POST /${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
  socket.write(start);
  return socket;
}

/** The first packages of an upload, packed and flushed, but the stream is not ended. */
async function packedStart(bytes: Buffer): Promise<Buffer> {
  const gzip = createGzip();
  const pieces: Buffer[] = [];
  gzip.on('data', (piece: Buffer) => pieces.push(piece));
  gzip.write(bytes);
  await new Promise<void>((resolve) => gzip.flush(constants.Z_SYNC_FLUSH, () => resolve()));
  return Buffer.concat(pieces);
}

async function entriesOf(log: TestLog, start: number, end: number): Promise<Buffer> {
  const parts = [encodeAddEntriesHeader({ origin: log.origin, start, end, ticket: Buffer.alloc(0) })];
  for (const range of packageRanges(start, end)) {
    const entries = log.digests.slice(range.start, range.end).map(leafEntry);
    parts.push(encodePackage(entries, await log.subtreeProof(range.subtreeStart, range.end, end)));
  }
  return Buffer.concat(parts);
}

const nextEntry = async (log: TestLog): Promise<number> => {
  const rows = (await peer.kept()).mirror_log as { origin: string; next_entry: number }[];
  return Number(rows.find((row) => row.origin === log.origin)?.next_entry ?? 0);
};

describe('a sender who goes away or does not go on', () => {
  it('has what came whole kept, packed or not, and is not waited for', async () => {
    for (const [at, encoding] of [undefined, 'gzip'].entries()) {
      const log = [x, y][at] as TestLog;
      const known = log === x ? KNOWN : 3;
      expect((await post('mirror/add-checkpoint', await log.addCheckpoint(known, 600))).status).toBe(200);
      const whole = await entriesOf(log, 0, 600);
      // One package and a half.
      const start = whole.subarray(0, Math.floor(whole.length * 0.6));
      const body = encoding === undefined ? start : await packedStart(start);
      const socket = stall('mirror/add-entries', body, encoding === undefined ? {} : { 'content-encoding': encoding });
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(await nextEntry(log)).toBe(0);
      socket.destroy();
      await expect.poll(() => nextEntry(log), { timeout: 30_000 }).toBe(256);
      const rest = await post('mirror/add-entries', await entriesOf(log, 256, 600));
      expect(rest.status).toBe(200);
    }
  });

  it('delays nobody else: others are served while hundreds of requests stand half sent', async () => {
    const checkpoint = await y.addCheckpoint(0, 10);
    const stalled = [
      ...Array.from({ length: 150 }, () => stall('witness/add-checkpoint', checkpoint.slice(0, -20))),
      ...Array.from({ length: 150 }, () => stall('mirror/add-entries', entryHeader())),
      ...Array.from({ length: 100 }, () =>
        stall(`mirror/${originHash(origin.key.name)}/data?from=${head.size}`, 'x', { authorization: token }),
      ),
    ];
    try {
      await new Promise((resolve) => setTimeout(resolve, 100));
      let size = 0;
      for (const next of [10, 20, 300, 301, 555]) {
        expect((await post('witness/add-checkpoint', await y.addCheckpoint(size, next))).status).toBe(200);
        size = next;
      }
      expect(stalled.filter(({ destroyed }) => destroyed)).toEqual([]);
    } finally {
      for (const socket of stalled) socket.destroy();
    }
  });

  it('and who keeps pressing with wrong requests does not stop others', async () => {
    let pressing = true;
    let refused = 0;
    const lie = await new TestLog(ORIGIN_X, 600).addCheckpoint(KNOWN, 300);
    const press = async (): Promise<void> => {
      while (pressing) {
        expect((await post('witness/add-checkpoint', lie)).status).toBe(403);
        refused += 1;
      }
    };
    const pressed = Promise.all(Array.from({ length: 16 }, press));
    let size = 555;
    for (let next = 570; next <= 600; next += 2) {
      const before = refused;
      expect((await post('witness/add-checkpoint', await y.addCheckpoint(size, next))).status).toBe(200);
      // In turn with the others: a right request, with its round trips to the database, waits for some of each of those who press.
      expect(refused - before).toBeLessThan(16 * 100);
      size = next;
    }
    pressing = false;
    await pressed;
    expect(refused).toBeGreaterThan(16);
  });
});

describe('mutated requests', () => {
  /** Changes of a body as a broken or lying sender makes them. */
  const mutation = fc.oneof(
    fc.record({ kind: fc.constant('flip' as const), at: fc.nat(), bit: fc.nat({ max: 7 }) }),
    fc.record({ kind: fc.constant('cut' as const), at: fc.nat(), bit: fc.constant(0) }),
    fc.record({ kind: fc.constant('drop' as const), at: fc.nat(), bit: fc.nat({ max: 70 }) }),
    fc.record({ kind: fc.constant('double' as const), at: fc.nat(), bit: fc.nat({ max: 70 }) }),
    fc.record({ kind: fc.constant('fill' as const), at: fc.nat(), bit: fc.nat({ max: 255 }) }),
  );
  function mutate(body: Buffer, { kind, at, bit }: { kind: string; at: number; bit: number }): Buffer {
    const place = body.length === 0 ? 0 : at % body.length;
    const [head, tail] = [body.subarray(0, place), body.subarray(place)];
    if (kind === 'cut') return head;
    if (kind === 'drop') return Buffer.concat([head, tail.subarray(1 + bit)]);
    if (kind === 'double') return Buffer.concat([head, tail.subarray(0, 1 + bit), tail]);
    const changed = Buffer.from(body);
    if (place < changed.length) changed[place] = kind === 'flip' ? (changed[place] ?? 0) ^ (1 << bit) : bit;
    return changed;
  }

  it('never move a state away from the truth, and never end in a fault of the gateway', async () => {
    const z = new TestLog(ORIGIN_X, 900, { signer: x.signer, digests: [...x.digests, ...y.digests.slice(0, 300)] });
    const path = `mirror/${originHash(origin.key.name)}`;
    const grown = await origin.grow(3);
    const next = await origin.entries(head.size, grown.size);
    const rise = encodeAddCheckpoint(
      head.size,
      await consistencyProof(origin.log.hashes(grown.size), head.size, grown.size),
      grown.checkpoint,
    );
    expect((await post('mirror/add-checkpoint', rise)).status).toBe(200);
    const { nextBlock } = JSON.parse(
      (await send('GET', `${path}/status`, undefined, { authorization: token })).text,
    ) as { nextBlock: number };
    const requests: readonly (readonly [string, Buffer])[] = [
      ['witness/add-checkpoint', Buffer.from(await z.addCheckpoint(KNOWN, 333))],
      ['mirror/add-checkpoint', Buffer.from(await z.addCheckpoint(600, 900))],
      ['mirror/add-entries', await entriesOf(z, 300, 600)],
      ['mirror/add-entries', next],
      [`${path}/data?from=${head.size}`, await origin.data(head.size, grown.size, nextBlock)],
    ];
    const authorization = memberToken(origin.signer, origin.writer.keys.sign);
    const seen = new Map<number, number>();
    const arbitrary = fc.tuple(
      fc.nat({ max: requests.length - 1 }),
      fc.array(mutation, { minLength: 1, maxLength: 3 }),
    );
    const samples = fc.sample(arbitrary, { numRuns: LONG ? 40_000 : 1_500, seed: SEED });
    const press = async (): Promise<void> => {
      for (let sample = samples.pop(); sample !== undefined; sample = samples.pop()) {
        const [at, changes] = sample;
        const [where, body] = requests[at] as readonly [string, Buffer];
        const { status } = await post(where, changes.reduce(mutate, body), { authorization });
        seen.set(status, (seen.get(status) ?? 0) + 1);
        expect([200, 202, 400, 403, 404, 409, 413, 422], `seed ${SEED}, ${where}`).toContain(status);
      }
    };
    await Promise.all(Array.from({ length: 16 }, press));
    expect(peer.events.filter(({ event }) => event === 'http-failed')).toEqual([]);
    // Whatever was taken on the way was true: the right requests go through to the end.
    const kept = await peer.kept();
    for (const { role, origin: name, size, root } of kept.accepted_checkpoint as Accepted[]) {
      const log = name === ORIGIN_X ? z : y;
      const truth =
        name === origin.key.name
          ? (await origin.log.blocks(0, 1000)).find((b) => b.size === Number(size))?.root
          : log.root(Number(size));
      expect(root, `${role} ${name}`).toEqual(truth);
    }
    expect(kept.equivocation).toEqual([]);
    expect((await post('mirror/add-entries', next)).status).toBe(200);
    const { held, nextBlock: block } = JSON.parse(
      (await send('GET', `${path}/status`, undefined, { authorization })).text,
    ) as { held: number; nextBlock: number };
    expect(
      (await post(`${path}/data?from=${held}`, await origin.data(held, grown.size, block), { authorization })).status,
    ).toBe(200);
    const status = (await send('GET', `${path}/status`, undefined, { authorization })).text;
    expect(JSON.parse(status)).toMatchObject({ next: grown.size, held: grown.size, blobs: grown.size });
    expect(seen.size).toBeGreaterThan(3);
  });
});

interface Accepted {
  readonly role: string;
  readonly origin: string;
  readonly size: string;
  readonly root: Buffer;
}
