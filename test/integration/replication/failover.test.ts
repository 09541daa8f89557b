/** The database fails over under a running gateway: to a standby that has everything, and to one that has lost commits. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sampleOru } from '../../../src/cli/samples/hl7v2.ts';
import {
  answersTo,
  createNetwork,
  eventually,
  sendHl7,
  settled,
  type Member,
  type TestNetwork,
} from '../../support/network.ts';
import type { TestDatabase } from '../../support/postgres.ts';
import { openFailoverPair, type FailoverPair } from '../../support/standby.ts';

const reports = (from: number, count: number): Buffer[] =>
  Array.from({ length: count }, (_, i) => Buffer.from(sampleOru(from + i)));

let network: TestNetwork;
let a: Member;
let b: Member;
let pair: FailoverPair;

beforeEach(async () => {
  network = await createNetwork(2);
  [a, b] = network.members as [Member, Member];
  pair = await openFailoverPair();
  const { config, url } = pair;
  const moving: TestDatabase = { ...a.database, config: config as TestDatabase['config'], url };
  await network.start(b);
  await network.start(a, moving);
}, 120_000);
afterEach(async () => {
  await network.close();
  await pair.close();
});

const seen = (event: string): Promise<true> =>
  eventually(
    () => (a.events.some((fields) => fields.event === event) ? true : undefined),
    () => JSON.stringify(a.events.slice(-6)),
  );

async function failOver(): Promise<void> {
  pair.pointTo(undefined);
  await pair.stopPrimary();
  await pair.standby.promote();
  pair.pointTo(pair.standby.connection);
}

describe('a fail-over of the database under a running gateway', () => {
  it('to a standby that has everything: checkpoints wait for the restore rule, then the log goes on', async () => {
    await sendHl7(a, reports(0, 10));
    const before = await settled(a);
    await pair.standby.caughtUp();
    // While nobody answers the rule, nothing may leave.
    b.link.target = undefined;
    b.link.cut();
    await failOver();
    await seen('database-changed');
    await seen('restore-rule.too-few-answers');
    const checkpoint = await fetch(`${a.url}/ledger/checkpoint`);
    expect([checkpoint.status, (await fetch(`${a.url}/ledger/checkpoint?level=durable`)).status]).toEqual([503, 503]);
    // Intake goes on.
    await sendHl7(a, reports(100, 5));
    b.link.target = { host: '127.0.0.1', port: Number(new URL(b.gateway?.addresses.http ?? '').port) };
    expect(await settled(a, { above: before })).toBeGreaterThan(before);
    expect((await fetch(`${a.url}/ledger/checkpoint`)).status).toBe(200);
    expect(await (await fetch(`${b.url}/witness/evidence`)).json()).toEqual({ evidence: [] });
  });

  it('to a standby that has lost commits: nothing is written, cosigned or released any more', async () => {
    await sendHl7(a, reports(0, 10));
    await settled(a);
    await pair.standby.caughtUp();
    await pair.standby.stop();
    await sendHl7(a, reports(100, 5));
    const before = await settled(a);
    // The peer is away: the gateway knows by itself what it has acknowledged.
    b.link.target = undefined;
    b.link.cut();
    pair.pointTo(undefined);
    await pair.stopPrimary();
    await pair.standby.start();
    await pair.standby.promote();
    pair.pointTo(pair.standby.connection);
    await seen('database-lost-commits');
    expect((await answersTo(a.gateway?.addresses.mllp ?? '', reports(200, 1)))[0]).toMatch(/MSA\|A[ER]/);
    expect((await fetch(`${a.url}/ledger/checkpoint`)).status).toBe(500);
    expect((await fetch(`${a.url}/witness/add-checkpoint`, { method: 'POST', body: 'old 0\n\n' })).status).toBe(500);
    expect((await fetch(`${a.url}/readyz`)).status).toBe(503);
    b.link.target = { host: '127.0.0.1', port: Number(new URL(b.gateway?.addresses.http ?? '').port) };
    // A new start finds it too: by what the peer has cosigned.
    const database = { ...a.database, config: pair.config as TestDatabase['config'], url: pair.url };
    await network.stop(a);
    await expect(network.start(a, database)).rejects.toMatchObject({ code: 'integrity' });
    expect(before).toBeGreaterThan(0);
  });
});
