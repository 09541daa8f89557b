/**
 * Witnesses and mirrors that lie, lead in circles, or never answer: the gateway that asks them takes no signature that is not
 * one, gives up after a bounded number of requests, and says what is wrong.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { peerHttp, type ClosablePeerHttp } from '../../src/clients/peer-http.ts';
import { GatewayError } from '../../src/core/errors.ts';
import { cosign, cosignerKey } from '../../src/ledger/cosignature.ts';
import { formatSignatureLine } from '../../src/ledger/note.ts';
import { encodeMirrorInfo } from '../../src/ledger/mirror-message.ts';
import { MirrorClient, WitnessClient, type Target } from '../../src/replication/cosigner-client.ts';
import { signReceipt } from '../../src/replication/receipt.ts';
import { noteSigner } from '../unit/ledger/support.ts';
import { openPeerOrigin, type PeerOrigin } from '../support/peer-origin.ts';

const signer = noteSigner('liar.example/anamnesis/cosigner');
const other = noteSigner('liar.example/anamnesis/cosigner');
const key = cosignerKey(signer);
/** More than this many requests for one try is being led in circles. */
const REQUESTS = 16;
/** Milliseconds that a request may take: few for those that never answer, more than enough for the others. */
const deadlineOf = (code: string | undefined): number => (code === 'timeout' ? 400 : 30_000);

type Script = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;
let origin: PeerOrigin;
let target: Target;
let server: Server;
let url: string;
let http: ClosablePeerHttp;
let script: Script;
let requests = 0;
beforeAll(async () => {
  origin = await openPeerOrigin();
  target = await origin.grow(2, 100);
  http = peerHttp();
  server = createServer((request, response) => {
    requests += 1;
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('error', () => {});
    request.on('end', () => script(request, response, Buffer.concat(pieces)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => (requests = 0));
afterAll(async () => {
  http.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await origin.close();
});

const answer =
  (status: number, body: string | Buffer, headers: Record<string, string> = {}): Script =>
  (_request, response) =>
    void response.writeHead(status, headers).end(body);
const line = (text: string, by = signer, time = 1_700_000_000): string => formatSignatureLine(cosign(text, by, time));
const textOf = (checkpoint: string): string => checkpoint.slice(0, checkpoint.indexOf('\n\n') + 1);

/** What the client makes of it: a code, or what it took. */
async function outcome(work: Promise<unknown>): Promise<unknown> {
  return work.catch((error: unknown) => (error instanceof GatewayError ? error.code : error));
}

describe('a witness', () => {
  const client = (code?: string): WitnessClient =>
    new WitnessClient({
      http,
      log: origin.log,
      origin: origin.key.name,
      url,
      key,
      deadlineMs: deadlineOf(code),
    });

  it.each<readonly [string, () => Script, string | undefined]>([
    ['answers with nothing', () => answer(200, ''), 'integrity'],
    ['answers with garbage', () => answer(200, Buffer.alloc(5000, 255)), 'integrity'],
    ['signs with another key', () => answer(200, line(textOf(target.checkpoint), other)), 'integrity'],
    ['signs another text', () => answer(200, line(`${origin.key.name}\n1\n${'A'.repeat(43)}=\n`)), 'integrity'],
    ['repeats the log’s own signature', () => answer(200, target.checkpoint.split('\n\n')[1] ?? ''), 'integrity'],
    ['names sizes in turn for ever', () => answer(409, `${Math.min(requests, target.size - 1)}\n`), 'busy'],
    ['names no size', () => answer(409, 'many\n'), 'unavailable'],
    ['names a size beyond everything', () => answer(409, '9007199254740993\n'), 'unavailable'],
    ['has another tree', () => answer(422, 'no'), 'integrity'],
    ['refuses', () => answer(403, 'no'), 'forbidden'],
    ['sends us elsewhere', () => answer(302, '', { location: 'http://127.0.0.1:1/' }), 'unavailable'],
    ['has a fault', () => answer(500, 'oops'), 'unavailable'],
    ['answers without an end', () => answer(200, Buffer.alloc(3_000_000, 'x')), 'too-large'],
    [
      'ends in the middle',
      () => (_r, response) => void response.writeHead(200).write('x', () => response.destroy()),
      'unavailable',
    ],
    ['never answers', () => () => {}, 'timeout'],
    ['drips', () => (_r, response) => void setInterval(() => response.write('x'), 50).unref(), 'timeout'],
  ])('that %s', async (_what, make, code) => {
    script = (request, response, body) => make()(request, response, body);
    expect(await outcome(client(code).cosign(target))).toBe(code);
    expect(requests).toBeLessThanOrEqual(REQUESTS);
  });

  it('whose clock is days off is taken at its word: the time is its own statement', async () => {
    const days = Math.floor(Date.now() / 1000) + 9 * 86_400;
    script = answer(200, line(textOf(target.checkpoint), signer, days));
    expect(await outcome(client().cosign(target))).toMatchObject({ size: target.size, at: days });
  });
});

describe('a mirror', () => {
  const client = (code?: string): MirrorClient =>
    new MirrorClient({
      http,
      log: origin.log,
      origin: origin.key.name,
      url,
      key,
      deadlineMs: deadlineOf(code),
      authorization: () => 'Bearer x',
      sendsBlobs: true,
      readBlob: (digest, from, to) => blob(digest, from, to),
    });
  async function* blob(digest: Buffer, from: number, to: number): AsyncGenerator<Buffer> {
    const bytes = origin.blobs.get(digest.toString('hex'));
    if (bytes === undefined) throw new GatewayError('not-found', 'there is no such blob');
    yield bytes.subarray(from, to);
  }
  const receipt = (over: object = {}, by = signer): string =>
    signReceipt(
      { origin: origin.key.name, held: target.size, root: target.root, blobs: target.size, time: 1, ...over },
      by,
    );
  const status = (over: object = {}): Script =>
    answer(
      200,
      JSON.stringify({ next: 0, held: target.size, nextBlock: 99, missing: [], receipt: receipt(), ...over }),
    );
  const entries = (): Script => answer(200, line(textOf(target.checkpoint)));
  const info = (size: number, next: number): string => encodeMirrorInfo({ size, next, ticket: Buffer.alloc(0) });
  /** An honest mirror that has everything, but for one kind of request. */
  const but = (lie: { entries?: Script; status?: Script; data?: Script; blob?: Script }): Script => {
    return (request, response, body) => {
      const path = request.url ?? '';
      const turn = path.endsWith('/add-checkpoint')
        ? answer(200, '')
        : path.endsWith('/add-entries')
          ? (lie.entries ?? entries())
          : path.includes('/data?')
            ? (lie.data ?? status())
            : path.includes('/blob/')
              ? (lie.blob ?? answer(404, ''))
              : (lie.status ?? status());
      turn(request, response, body);
    };
  };
  const named = (): { digest: string; size: number }[] =>
    [...origin.blobs].map(([digest, bytes]) => ({ digest, size: bytes.length }));

  it('that is honest is taken at its word', async () => {
    script = but({});
    expect(await outcome(client().bring(target))).toMatchObject({
      cosignature: { size: target.size },
      receipt: { size: target.size, blobs: target.size },
    });
  });

  it.each<readonly [string, () => Script, string]>([
    ['wants the same entries for ever', () => but({ entries: answer(202, info(target.size, 0)) }), 'unavailable'],
    [
      'wants entries in a circle',
      () => but({ entries: (q, r, b) => answer(409, info(target.size, requests % 2 === 0 ? 1 : 3))(q, r, b) }),
      'unavailable',
    ],
    ['names no entry', () => but({ entries: answer(202, 'x') }), 'unavailable'],
    [
      'signs entries with another key',
      () => but({ entries: answer(200, line(textOf(target.checkpoint), other)) }),
      'integrity',
    ],
    [
      'takes documents and forgets them',
      () => but({ status: status({ held: 0 }), data: status({ held: 0 }) }),
      'unavailable',
    ],
    [
      'says that others bring the documents, for ever',
      () => but({ status: status({ held: 0 }), data: (q, r, b) => answer(409, statusText({ held: 0 }))(q, r, b) }),
      'unavailable',
    ],
    ['has a status that is none', () => but({ status: answer(200, '{"held":-1}') }), 'integrity'],
    [
      'misses a blob for ever',
      () => but({ status: status({ missing: named() }), blob: answer(200, '{"offset":0,"complete":true}') }),
      'unavailable',
    ],
    [
      'wants a blob in a circle',
      () => but({ status: status({ missing: named() }), blob: answer(409, '{"offset":0}') }),
      'unavailable',
    ],
    [
      'wants a blob that is not ours',
      () =>
        but({
          status: status({ missing: [{ digest: 'ab'.repeat(32), size: 9 }] }),
          blob: answer(200, '{"offset":9,"complete":true}'),
        }),
      'not-found',
    ],
    ['gives a receipt of another key', () => but({ status: status({ receipt: receipt({}, other) }) }), 'integrity'],
    [
      'gives a receipt for another tree',
      () => but({ status: status({ receipt: receipt({ root: Buffer.alloc(32) }) }) }),
      'integrity',
    ],
    [
      'gives a receipt for another log',
      () => but({ status: status({ receipt: receipt({ origin: 'x.example' }) }) }),
      'integrity',
    ],
    ['never answers for the documents', () => but({ status: status({ held: 0 }), data: () => {} }), 'timeout'],
    ['does not want our token', () => but({ status: answer(401, '') }), 'unauthenticated'],
    ['is full', () => but({ status: status({ held: 0 }), data: answer(507, '') }), 'storage-full'],
  ])('that %s', async (_what, make, code) => {
    const made = make();
    script = made;
    expect(await outcome(client(code).bring(target))).toBe(code);
    expect(requests).toBeLessThanOrEqual(REQUESTS);
  });

  function statusText(over: object): string {
    return JSON.stringify({ next: 0, held: 0, nextBlock: 0, missing: [], receipt: receipt(), ...over });
  }

  it('is sent nothing but what is public, sealed or a digest', async () => {
    const seen: Buffer[] = [];
    script = (request, response, body) => {
      seen.push(request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body);
      but({ status: status({ held: 0 }), data: status() })(request, response, body);
    };
    await outcome(client().bring(target));
    const all = Buffer.concat(seen).toString('latin1');
    expect(all).toContain(origin.key.name);
    // Three letters alone come by chance in so much Base64; the bar is none of its characters.
    expect(all).not.toMatch(/urn:mrn|Patient|MSH\|/);
  });
});
