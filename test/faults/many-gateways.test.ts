/**
 * Thirteen gateways in one run, each with its own database and log: every message is mirrored by one of three and witnessed by
 * two of twelve, while a third of the network is away; then those come back and have everything.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cosigners } from '../../src/app/network.ts';
import { sampleOru } from '../../src/cli/samples/hl7v2.ts';
import { parseCheckpoint } from '../../src/ledger/checkpoint.ts';
import { cosignerKey } from '../../src/ledger/cosignature.ts';
import { KEY_ED25519, verifierKey, verifyNote } from '../../src/ledger/note.ts';
import { originHash } from '../../src/replication/trust.ts';
import { createNetwork, eventually, sendHl7, settled, type Member, type TestNetwork } from '../support/network.ts';
import { LONG } from './scale.ts';

const GATEWAYS = 13;
const WITNESSES = 2;
const MESSAGES = LONG ? 2_000 : 200;

let network: TestNetwork;
beforeAll(async () => {
  network = await createNetwork(GATEWAYS, {
    witnesses: WITNESSES,
    mirrorCount: 3,
    env: { DATABASE_CONNECTIONS: '4' },
  });
  await Promise.all(network.members.map((member) => network.start(member)));
}, 180_000);
afterAll(() => network.close(), 120_000);

/** The published checkpoint is signed by the log, one mirror and two witnesses at least. */
async function expectSigned(member: Member, size: number): Promise<void> {
  const published = parseCheckpoint(await (await fetch(`${member.url}/ledger/checkpoint`)).text());
  if (published === undefined) throw new Error('no checkpoint');
  expect(published.checkpoint.size).toBe(size);
  const others = network.members.filter((other) => other !== member);
  const signed = (role: 'witness' | 'mirror'): number =>
    verifyNote(
      published.note,
      others.map(({ origin, keys }) => cosignerKey(cosigners(origin, keys)[role])),
    )?.length ?? 0;
  expect(
    verifyNote(published.note, [verifierKey(member.origin, KEY_ED25519, member.keys.log.rawPublicKey)]),
  ).toHaveLength(1);
  expect(signed('mirror')).toBeGreaterThanOrEqual(1);
  expect(signed('witness')).toBeGreaterThanOrEqual(WITNESSES);
}

it('thirteen gateways witness each other, also when four are away', { timeout: 300_000 }, async () => {
  const [first, ...others] = network.members as readonly [Member, ...Member[]];
  const report = (n: number): Buffer => Buffer.from(sampleOru(n));
  const part = (from: number, to: number): Buffer[] => Array.from({ length: to - from }, (_, i) => report(from + i));
  // 8 connections at once to the first, a few messages to every other one.
  await Promise.all([
    ...Array.from({ length: 8 }, (_, i) => sendHl7(first, part((i * MESSAGES) / 8, ((i + 1) * MESSAGES) / 8))),
    ...others.map((other, i) => sendHl7(other, part(100_000 + i * 10, 100_000 + i * 10 + 2))),
  ]);
  for (const member of network.members) await expectSigned(member, await settled(member, { ms: 90_000 }));

  const away = others.slice(-4);
  await Promise.all(away.map((member) => network.stop(member)));
  await sendHl7(first, part(200_000, 200_020));
  const size = await settled(first, { ms: 90_000 });
  await expectSigned(first, size);
  await Promise.all(away.map((member) => network.start(member)));
  for (const member of away) {
    await eventually(
      async () => {
        const answer = await fetch(`${member.url}/witness/${originHash(first.origin)}/checkpoint`);
        return Number((await answer.text()).split('\n')[1]) >= size ? true : undefined;
      },
      () => `${member.name} has not caught up`,
      60_000,
    );
  }
  for (const member of network.members) {
    expect(await (await fetch(`${member.url}/witness/evidence`)).json()).toEqual({ evidence: [] });
  }
});
