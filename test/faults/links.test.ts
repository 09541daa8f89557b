/**
 * Links between gateways that are cut, slow, or swallow everything: intake goes on as if nothing were, what a peer lacks is not
 * piled up but read from the log when it is back, and in the end every peer has everything once.
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sampleOru } from '../../src/cli/samples/hl7v2.ts';
import { originHash } from '../../src/replication/trust.ts';
import {
  createNetwork,
  eventually,
  sendHl7,
  settled,
  sizesAt,
  type Member,
  type TestNetwork,
} from '../support/network.ts';
import { rowsOf } from '../support/postgres.ts';
import { LONG, SEED } from './scale.ts';

let network: TestNetwork;
let a: Member;
let b: Member;
let c: Member;
let sent = 0;
beforeAll(async () => {
  network = await createNetwork(3);
  [a, b, c] = network.members as [Member, Member, Member];
  for (const member of network.members) await network.start(member);
  await send(3);
  await settled(a);
}, 120_000);
afterAll(() => network.close());

/** All of them acknowledged. */
const send = (count: number): Promise<void> =>
  sendHl7(
    a,
    Array.from({ length: count }, () => Buffer.from(sampleOru((sent += 1)))),
  );

const rows = (member: Member, text: string, values?: unknown[]): Promise<Record<string, unknown>[]> =>
  rowsOf(member.database.config, text, values);

/** The log as a hash over its documents, payloads and blocks. */
async function contents(member: Member, prefix: string): Promise<unknown> {
  const whose = prefix === '' ? '' : `where log = (select log from mirror_log where origin = '${a.origin}')`;
  const hash = (columns: string, table: string): string =>
    `(select md5(string_agg((${columns})::text, ',' order by (${columns})::text)) from ${prefix}${table} ${whose})`;
  const [found] = await rows(
    member,
    `select ${hash('leaf, body', 'document')} as documents, ${hash('grp, digest, size, body', 'payload')} as payloads,
            ${hash('number, root, checkpoint, prev', 'block')} as blocks`,
  );
  return found;
}

async function expectEverywhere(peers: readonly Member[], size: number): Promise<void> {
  const truth = await contents(a, '');
  for (const peer of peers) {
    await eventually(
      async () => {
        const [row] = await rows(peer, `select held from mirror_log where origin = '${a.origin}'`);
        return Number(row?.held) >= size ? true : undefined;
      },
      () => `${peer.name} does not get everything, seed ${SEED}`,
      60_000,
    );
    expect(await contents(peer, 'mirror_')).toEqual(truth);
    expect(await (await fetch(`${peer.gateway?.addresses.http}/witness/evidence`)).json()).toEqual({ evidence: [] });
  }
}

describe('a link', () => {
  it('that is cut again and again, anywhere, loses and doubles nothing', async () => {
    const rounds = LONG ? 60 : 8;
    let state = SEED;
    const next = (below: number): number => (state = (state * 48_271 + 11) % 2_147_483_647) % below;
    const targets = [b, c].map(({ link }) => link.target);
    for (let round = 0; round < rounds; round += 1) {
      // Each of the two links breaks after so many bytes, there or back.
      for (const [i, { link }] of [b, c].entries()) {
        const bytes = next(round % 2 === 0 ? 4_000 : 60_000);
        Object.assign(link, { target: targets[i], budget: undefined, sendBudget: undefined });
        Object.assign(link, next(3) === 0 ? { budget: bytes >> 3 } : { sendBudget: bytes });
      }
      await send(6);
      // Both may have room for so little: then more is sent.
      await eventually(
        async () => {
          if ([b, c].some(({ link }) => link.target === undefined)) return true;
          await send(1);
          return undefined;
        },
        () => `no cut, seed ${SEED}`,
      );
    }
    for (const [i, { link }] of [b, c].entries()) {
      Object.assign(link, { target: targets[i], budget: undefined, sendBudget: undefined });
    }
    await expectEverywhere([b, c], await settled(a));
  }, 300_000);

  it('that is slow holds up neither intake nor the other peer', async () => {
    Object.assign(c.link, { rate: 3_000, delayMs: 40 });
    try {
      await send(40);
      const size = await settled(a);
      const [row] = await rows(c, `select coalesce(max(held), 0) as held from mirror_log where origin = '${a.origin}'`);
      expect(Number(row?.held)).toBeLessThan(size);
    } finally {
      Object.assign(c.link, { rate: undefined, delayMs: 0 });
      c.link.cut();
    }
    await expectEverywhere([b, c], (await sizesAt(a.url)).durable);
  }, 300_000);

  it('that takes everything and never answers holds up no intake, and nothing piles up behind it', async () => {
    const [hole, swallowed] = await blackHole();
    // Or else a signature that is on its way would still come.
    await settled(a);
    const before = await sizesAt(a.url);
    const { port } = hole.address() as AddressInfo;
    const targets = [b, c].map(({ link }) => link.target);
    for (const { link } of [b, c]) {
      link.target = { host: '127.0.0.1', port };
      link.cut();
    }
    try {
      const messages = LONG ? 600 : 120;
      await send(messages);
      const after = await sizesAt(a.url);
      // Everything was acknowledged while no peer had answered anything.
      expect(after.durable).toBeGreaterThan(before.durable + messages);
      expect(after.witnessed).toBe(before.witnessed);
      // A few requests a peer, each of what it lacked when it began: not one for each commit.
      expect(swallowed.connections).toBeLessThan(40);
      const queued = await rows(a, `select count(*)::int as n from follower`);
      expect(Number(queued[0]?.n)).toBeLessThan(20);
    } finally {
      for (const [i, { link }] of [b, c].entries()) {
        link.target = targets[i];
        link.cut();
      }
      hole.close();
    }
    await expectEverywhere([b, c], await settled(a, { ms: 90_000 }));
  }, 300_000);

  it('to a peer that is dead, and starts again with nothing but its database, is taken up where it was', async () => {
    await network.stop(c);
    await send(20);
    const size = await settled(a);
    await network.start(c);
    await expectEverywhere([c], size);
    const hash = originHash(a.origin);
    const note = await (await fetch(`${c.gateway?.addresses.http}/mirror/${hash}/checkpoint`)).text();
    expect(Number(note.split('\n')[1])).toBeGreaterThanOrEqual(size);
  }, 120_000);
});

async function blackHole(): Promise<[Server, { connections: number }]> {
  const seen = { connections: 0 };
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    seen.connections += 1;
    open.add(socket);
    socket.on('error', () => {}).resume();
  });
  server.on('close', () => open.forEach((socket) => socket.destroy()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return [server, seen];
}
