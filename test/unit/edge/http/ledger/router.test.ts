import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../../../../src/core/log.ts';
import { ledgerRouter } from '../../../../../src/edge/http/ledger/router.ts';
import { leafEntry } from '../../../../../src/ledger/leaf.ts';
import { leafHash, appendLeaves } from '../../../../../src/ledger/merkle.ts';
import { parseCheckpoint } from '../../../../../src/ledger/checkpoint.ts';
import { parseVkey, verifyNote, type VerifierKey } from '../../../../../src/ledger/note.ts';
import { verifyProof } from '../../../../../src/ledger/proof.ts';
import { decodeEntryBundle, tileHashes } from '../../../../../src/ledger/tile.ts';
import { readLedger, type LedgerReader } from '../../../../../src/services/read-ledger.ts';
import { digestsOf, MemoryLog, ORIGIN } from '../../../ledger/support.ts';

const SIZE = 66_000;
const log = new MemoryLog();
const reader: LedgerReader = {
  latestBlock: async () => log.blocks.at(-1),
  blocks: async (from, limit) => log.blocks.slice(from, from + limit),
  leafDigests: (from, to) => log.digests(from, to),
  tile: (level, index) => log.tile(level, index),
  document: async () => undefined,
};

async function listen(source: LedgerReader): Promise<{ server: Server; url: string }> {
  const ledger = readLedger({ reader: source, origin: ORIGIN, logPublicKey: log.key.rawPublicKey });
  const app = express();
  app.use('/ledger', ledgerRouter({ ledger, log: silentLog }));
  // Between two requests the test computes for seconds: a connection that was closed meanwhile would be taken again.
  const server = createServer({ keepAliveTimeout: 120_000 }, app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/ledger` };
}

const json = async (response: Response): Promise<any> => response.json();

describe('the log over HTTP', () => {
  let running: { server: Server; url: string };
  let key: VerifierKey;
  const get = (path: string, init?: RequestInit): Promise<Response> => fetch(`${running.url}/${path}`, init);
  const bytes = async (path: string): Promise<Buffer> => Buffer.from(await (await get(path)).arrayBuffer());

  beforeAll(async () => {
    for (const to of [3, 65_000, SIZE]) await log.append(digestsOf(to - log.size, log.size));
    running = await listen(reader);
    const found = parseVkey((await (await get('vkey')).text()).trim());
    if (found === undefined) throw new Error('no vkey');
    key = found;
  });
  afterAll(() => running.server.close());

  it('serves the latest checkpoint, signed by the key it names', async () => {
    const response = await get('checkpoint');
    expect([response.status, response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual([
      200,
      'text/plain; charset=utf-8',
      'no-cache',
    ]);
    const parsed = parseCheckpoint(await response.text());
    expect(parsed?.checkpoint).toMatchObject({ origin: ORIGIN, size: SIZE, root: log.root });
    expect(parsed && verifyNote(parsed.note, [key])).toEqual([key]);
  });

  it('serves tiles and entry bundles from which the root comes out', async () => {
    const response = await get('tile/0/000');
    expect([response.status, response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual([
      200,
      'application/octet-stream',
      'public, max-age=31536000, immutable',
    ]);
    const hashes: Buffer[] = [];
    const entries: Buffer[] = [];
    for (let at = 0; at < SIZE; at += 256) {
      const width = Math.min(256, SIZE - at);
      const path = `${String(at / 256).padStart(3, '0')}${width < 256 ? `.p/${width}` : ''}`;
      hashes.push(...tileHashes(await bytes(`tile/0/${path}`)));
      entries.push(...(decodeEntryBundle(await bytes(`tile/entries/${path}`), width) ?? []));
    }
    expect(entries.map(leafHash)).toEqual(hashes);
    expect(appendLeaves(0, [], hashes).root).toEqual(log.root);
    expect(await bytes('tile/1/001.p/1')).toEqual(appendLeaves(0, [], hashes.slice(65_536, 65_792)).root);
    expect(await bytes('tile/2/000.p/1')).toEqual(appendLeaves(0, [], hashes.slice(0, 65_536)).root);
    // Partial tiles of older checkpoints stay.
    expect(await bytes('tile/0/000.p/3')).toEqual((await bytes('tile/0/000')).subarray(0, 96));
    expect((await bytes('tile/1/000.p/253')).length).toBe(253 * 32);
  });

  it('gives a receipt of any leaf that verifies offline', async () => {
    for (const leaf of [0, 2, 3, 255, 256, 65_535, 65_536, SIZE - 1]) {
      const response = await get(`receipt/${leaf}`);
      expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
      const outcome = verifyProof(await response.text(), leafEntry(log.all[leaf]), key);
      expect(outcome).toMatchObject({ valid: true, index: leaf });
    }
  });

  it('lists blocks', async () => {
    const { blocks } = await json(await get('blocks?from=1&limit=1'));
    const [, second] = log.blocks;
    expect(blocks).toEqual([
      {
        number: 1,
        firstLeaf: 3,
        size: 65_000,
        root: second.root.toString('base64'),
        prev: second.prev.toString('base64'),
        checkpoint: second.checkpoint,
      },
    ]);
    expect((await json(await get('blocks'))).blocks.length).toBe(3);
    expect((await json(await get('blocks?from=3'))).blocks).toEqual([]);
  });

  it('refuses what is not there or not a question, with a code and a sentence', async () => {
    const refused: [string, number, string][] = [
      ['tile/0/257.p/209', 404, 'not-found'],
      ['tile/0/257', 404, 'not-found'],
      ['tile/2/000', 404, 'not-found'],
      ['tile/2/000.p/2', 404, 'not-found'],
      ['tile/63/000.p/1', 404, 'not-found'],
      ['tile/entries/258', 404, 'not-found'],
      ['tile/0/000.p/256', 400, 'invalid-syntax'],
      ['tile/64/000', 400, 'invalid-syntax'],
      ['tile/0/0', 400, 'invalid-syntax'],
      ['tile/0/%ff', 400, 'invalid-syntax'],
      ['tile/0/x000/000', 400, 'invalid-syntax'],
      ['tile/data/000', 400, 'invalid-syntax'],
      [`receipt/${SIZE}`, 404, 'not-found'],
      ['receipt/-1', 400, 'invalid-syntax'],
      ['receipt/01', 400, 'invalid-syntax'],
      ['receipt/99999999999999999999', 400, 'invalid-syntax'],
      ['blocks?from=x', 400, 'invalid-syntax'],
      ['blocks?limit=0', 400, 'invalid-syntax'],
      ['blocks?limit=1001', 400, 'invalid-syntax'],
      ['blocks?size=3', 400, 'not-supported'],
      ['', 404, 'not-found'],
      ['nothing', 404, 'not-found'],
      ['CHECKPOINT', 404, 'not-found'],
      ['checkpoint/', 404, 'not-found'],
    ];
    for (const [path, status, code] of refused) {
      const response = await get(path);
      expect([path, response.status, (await json(response)).code]).toEqual([path, status, code]);
      expect(response.headers.get('cache-control')).toBe('no-store');
    }
    const post = await get('checkpoint', { method: 'POST' });
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    expect((await get('checkpoint', { method: 'HEAD' })).status).toBe(200);
  });
});

describe('a log that is empty or damaged', () => {
  async function statuses(source: LedgerReader, paths: readonly string[]): Promise<[number, string][]> {
    const { server, url } = await listen(source);
    const found: [number, string][] = [];
    for (const path of paths) {
      const response = await fetch(`${url}/${path}`);
      found.push([response.status, (await json(response)).code]);
    }
    server.close();
    return found;
  }

  it('says that nothing is there yet', async () => {
    const empty: LedgerReader = {
      latestBlock: async () => undefined,
      blocks: async () => [],
      leafDigests: async () => [],
      tile: async () => undefined,
      document: async () => undefined,
    };
    const found = await statuses(empty, ['checkpoint', 'tile/0/000', 'tile/entries/000.p/1', 'receipt/0']);
    expect(found).toEqual(found.map(() => [404, 'not-found']));
  });

  it('hands out no receipt that does not verify and no tile with holes', async () => {
    const lost = await statuses({ ...reader, leafDigests: async () => [] }, [
      'tile/0/257.p/208',
      'tile/entries/000',
      'receipt/65999',
    ]);
    expect(lost).toEqual(lost.map(() => [500, 'integrity']));
    const changed: LedgerReader = { ...reader, leafDigests: async (from, to) => digestsOf(to - from, from + 1) };
    expect(await statuses(changed, ['receipt/5'])).toEqual([[500, 'integrity']]);
    const cut: LedgerReader = { ...reader, tile: async () => Buffer.alloc(31) };
    expect(await statuses(cut, ['tile/0/000', 'receipt/5'])).toEqual([
      [500, 'integrity'],
      [500, 'integrity'],
    ]);
  });
});
