/** Log data between gateways, packed for who asks: the same bytes, no more than may come, and a cut is a cut. */
import { gzipSync } from 'node:zlib';
import express from 'express';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { peerHttp } from '../../../src/clients/peer-http.ts';
import { sendLogData } from '../../../src/edge/http/peer/bodies.ts';

const PIECES = Array.from({ length: 40 }, (_, i) => Buffer.alloc(50_000, `leaf ${i} `));
const WHOLE = Buffer.concat(PIECES);

async function* pieces(): AsyncGenerator<Buffer> {
  for (const piece of PIECES) yield piece;
}

async function* breaking(): AsyncGenerator<Buffer> {
  yield PIECES[0];
  throw new Error('the database is away');
}

let server: Server;
let url: string;
const http = peerHttp();
beforeAll(async () => {
  const app = express();
  app.get('/data', (request, response) => sendLogData(request, response, 'application/x-data', pieces()));
  app.get('/broken', async (request, response) => {
    await sendLogData(request, response, 'application/x-data', breaking()).catch(() => {});
  });
  app.get('/bomb', (_request, response) => {
    response.set('Content-Encoding', 'gzip').end(gzipSync(Buffer.alloc(50_000_000)));
  });
  app.get('/trickle', (_request, response) => {
    const timer = setInterval(() => response.write('x'), 10);
    response.once('close', () => clearInterval(timer));
  });
  app.get('/cut', (_request, response) => {
    response.set('Content-Encoding', 'gzip').end(gzipSync(WHOLE).subarray(0, 900));
  });
  server = await new Promise<Server>((resolve) => {
    const listening: Server = app.listen(0, '127.0.0.1', () => resolve(listening));
  });
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  http.close();
  server.closeAllConnections();
  server.close();
});

async function opened(path: string, packed: boolean, maxBytes = 1e9, deadlineMs = 10_000): Promise<Buffer> {
  const headers = packed ? { 'accept-encoding': 'gzip' } : {};
  const { body } = await http.open({ method: 'GET', url: `${url}${path}`, headers, deadlineMs, maxBytes });
  const found: Buffer[] = [];
  for await (const piece of body) found.push(piece);
  return Buffer.concat(found);
}

it('comes packed to who asks for it, plain to everybody else, and is the same', async () => {
  for (const accept of ['gzip', 'br, gzip', 'identity', 'gzip;q=0']) {
    const answer = await fetch(`${url}/data`, { headers: { 'accept-encoding': accept } });
    const isPacked = accept === 'gzip' || accept === 'br, gzip';
    expect([accept, answer.headers.get('content-encoding')]).toEqual([accept, isPacked ? 'gzip' : null]);
    expect(answer.headers.get('vary')).toContain('Accept-Encoding');
    expect(Buffer.from(await answer.arrayBuffer()).equals(WHOLE)).toBe(true);
  }
  expect((await opened('/data', true)).equals(WHOLE)).toBe(true);
  expect((await opened('/data', false)).equals(WHOLE)).toBe(true);
});

it('is bounded as it is unpacked', async () => {
  await expect(opened('/bomb', true, 1_000_000)).rejects.toMatchObject({ code: 'too-large' });
  const send = http.send({ method: 'GET', url: `${url}/bomb`, deadlineMs: 10_000, maxBytes: 1_000_000 });
  await expect(send).rejects.toMatchObject({ code: 'too-large' });
});

it('does not come byte by byte for ever, and a reader that takes its time is not the sender', async () => {
  await expect(opened('/trickle', false, 1e9, 300)).rejects.toMatchObject({ code: 'timeout' });
  const { body } = await http.open({ method: 'GET', url: `${url}/data`, headers: {}, deadlineMs: 300, maxBytes: 1e9 });
  let size = 0;
  for await (const piece of body) {
    // Longer for each piece than a peer would have for all of them.
    if (size < 200_000) await new Promise((resolve) => setTimeout(resolve, 150));
    size += piece.length;
  }
  expect(size).toBe(WHOLE.length);
});

it('is no whole answer where it is cut', async () => {
  for (const path of ['/cut', '/broken']) {
    await expect(opened(path, true)).rejects.toMatchObject({ code: 'unavailable' });
  }
  await expect(opened('/broken', false)).rejects.toMatchObject({ code: 'unavailable' });
});
