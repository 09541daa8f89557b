/**
 * Witness and mirror to the letter, as clients that compare every byte see them: header fields, methods, tickets, and notes
 * that other implementations write.
 */
import { sign } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { leafEntry } from '../../../src/ledger/leaf.ts';
import {
  encodeAddEntriesHeader,
  encodePackage,
  packageRanges,
  parseMirrorInfo,
} from '../../../src/ledger/mirror-message.ts';
import { formatNote, formatSignatureLine } from '../../../src/ledger/note.ts';
import { encodeAddCheckpoint } from '../../../src/ledger/witness-message.ts';
import { openPeerGateway, type PeerGateway } from '../../support/peer-gateway.ts';
import { TestLog } from '../../unit/replication/support.ts';

const NONE: Buffer = Buffer.alloc(0);

let log: TestLog;
let other: TestLog;
let peer: PeerGateway;
beforeAll(async () => {
  log = new TestLog('straße.example/anamnesis', 1500);
  other = new TestLog('other.example/anamnesis', 9);
  peer = await openPeerGateway({ logs: [log.key, other.key] });
});
afterAll(() => peer.close());

async function send(path: string, body: string | Uint8Array, method = 'POST'): Promise<Response> {
  const sent = method === 'POST' ? { body: typeof body === 'string' ? body : new Uint8Array(body) } : {};
  return fetch(`${peer.url}/${path}`, { method, ...sent });
}

/** Whole packages of [start, end) under the checkpoint of `size`. */
async function entries(start: number, end: number, size: number, ticket: Buffer = NONE): Promise<Buffer> {
  const parts = [encodeAddEntriesHeader({ origin: log.origin, start, end: size, ticket })];
  for (const range of packageRanges(start, size)) {
    if (range.start >= end) break;
    const leaves = log.digests.slice(range.start, range.end).map(leafEntry);
    parts.push(encodePackage(leaves, await log.subtreeProof(range.subtreeStart, range.end, size)));
  }
  return Buffer.concat(parts);
}

describe('add-checkpoint', () => {
  it('says the size of a conflict in exactly the media type of the specification', async () => {
    expect((await send('witness/add-checkpoint', await log.addCheckpoint(0, 3))).status).toBe(200);
    const conflict = await send('witness/add-checkpoint', await log.addCheckpoint(0, 5));
    expect([conflict.status, conflict.headers.get('content-type'), await conflict.text()]).toEqual([
      409,
      'text/x.tlog.size',
      '3\n',
    ]);
  });

  it.each(['witness/add-checkpoint', 'mirror/add-checkpoint', 'mirror/add-entries'])('%s is a POST', async (path) => {
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) {
      const answer = await send(path, '', method);
      expect([method, answer.status, answer.headers.get('allow')]).toEqual([method, 405, 'POST']);
    }
  });

  it('ignores the lines of unknown keys, whatever their names', async () => {
    const strange = ['\ufeffbom.example', 'del\u007f.example', 'c1\u0081.example', '署名.example', 'a—b'];
    const lines = strange.map((name) => formatSignatureLine({ name, id: 7, signature: Buffer.alloc(72) }));
    // The name of the log with another id, and its id with another name.
    const half = [
      formatSignatureLine({ ...log.key, id: (log.key.id ^ 1) >>> 0, signature: Buffer.alloc(64) }),
      formatSignatureLine({ ...log.key, name: 'x', signature: Buffer.alloc(64) }),
    ];
    const answer = await send('witness/add-checkpoint', (await log.addCheckpoint(3, 5)) + [...lines, ...half].join(''));
    expect([answer.status, (await answer.text()).split(' ')[0]]).toEqual([200, '—']);
  });

  it('takes no body that is not UTF-8', async () => {
    const name = Buffer.concat([Buffer.from('— na'), Buffer.of(0xff), Buffer.from('me AAAAAAAA\n')]);
    const body = Buffer.concat([Buffer.from(await log.addCheckpoint(5, 6)), name]);
    expect((await send('witness/add-checkpoint', body)).status).toBe(400);
    expect((await send('witness/add-checkpoint', await log.addCheckpoint(5, 6))).status).toBe(200);
  });

  it('cosigns extension lines with the rest', async () => {
    const text = `${log.checkpoint(7).split('\n\n')[0]}\nan extension, with spaces\nanother\n`;
    const signature = sign(null, Buffer.from(text), log.signer.privateKey);
    const note = formatNote({ text, signatures: [{ ...log.key, signature }] });
    const answer = await send('witness/add-checkpoint', encodeAddCheckpoint(6, await log.proof(6, 7), note));
    expect(answer.status).toBe(200);
  });
});

describe('add-entries', () => {
  it('goes on with an older pending checkpoint by the ticket, across a newer one', async () => {
    expect((await send('mirror/add-checkpoint', await log.addCheckpoint(0, 1100))).status).toBe(200);
    const asked = await send(
      'mirror/add-entries',
      encodeAddEntriesHeader({ origin: log.origin, start: 0, end: 0, ticket: NONE }),
    );
    expect([asked.status, asked.headers.get('content-type')]).toEqual([409, 'text/x.tlog.mirror-info']);
    const first = parseMirrorInfo(await asked.text());
    expect(first).toMatchObject({ size: 1100, next: 0 });

    const part = await send('mirror/add-entries', await entries(0, 512, 1100));
    expect([part.status, part.headers.get('content-type')]).toEqual([202, 'text/x.tlog.mirror-info']);
    const after = parseMirrorInfo(await part.text());
    expect(after).toMatchObject({ size: 1100, next: 512 });

    // The log grows meanwhile: without the ticket the old size is a conflict, with it the upload goes on as it was begun.
    expect((await send('mirror/add-checkpoint', await log.addCheckpoint(1100, 1500))).status).toBe(200);
    const stale = await send('mirror/add-entries', await entries(512, 768, 1100));
    expect([stale.status, parseMirrorInfo(await stale.text())]).toMatchObject([409, { size: 1500, next: 512 }]);
    const ticket = after?.ticket ?? NONE;
    const more = await send('mirror/add-entries', await entries(512, 768, 1100, ticket));
    expect([more.status, parseMirrorInfo(await more.text())]).toMatchObject([202, { size: 1100, next: 768 }]);
    // "If the client's upload_end value was valid, the first line SHOULD contain upload_end."
    const ahead = await send('mirror/add-entries', await entries(1024, 1100, 1100, ticket));
    expect([ahead.status, parseMirrorInfo(await ahead.text())]).toMatchObject([409, { size: 1100, next: 768 }]);
    // One bit of it changed, it is worth nothing.
    const forged = Buffer.from(ticket);
    forged[40] ^= 1;
    expect((await send('mirror/add-entries', await entries(768, 1100, 1100, forged))).status).toBe(409);

    // It outlives a restart, and is good in the other processes of the gateway as well.
    await peer.stop();
    await peer.start();
    const done = await send('mirror/add-entries', await entries(768, 1100, 1100, ticket));
    expect([done.status, (await done.text()).startsWith('— ')]).toEqual([200, true]);
    expect((await send('mirror/add-entries', await entries(1100, 1500, 1500))).status).toBe(200);
    // What was signed does not go back.
    expect((await send('mirror/add-entries', await entries(1100, 1100, 1100, ticket))).status).toBe(409);
  });
});

it('an error is JSON wherever the answer would have been text', async () => {
  for (const path of ['ledger/receipt/99', `witness/${'0'.repeat(64)}/checkpoint`, 'ledger/levels?leaf=99']) {
    const answer = await send(path, '', 'GET');
    expect([path, answer.status, answer.headers.get('content-type')]).toEqual([
      path,
      404,
      'application/json; charset=utf-8',
    ]);
  }
});
