/**
 * A member of a running network gets other keys: its `sign` key is in force with its next request; its witness and mirror keys once
 * they stand in the policy files of the others; nothing that was said or signed before is lost.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keys as keysCommand } from '../../../src/cli/key-care.ts';
import { sampleOru } from '../../../src/cli/samples/hl7v2.ts';
import { suspend } from '../../../src/cli/suspend.ts';
import { systemRandom } from '../../../src/core/random.ts';
import type { RotatableRole } from '../../../src/keys/key-set.ts';
import { ownMember } from '../../../src/replication/member.ts';
import { originHash } from '../../../src/replication/trust.ts';
import { fileKeyProvider } from '../../../src/storage/key-file.ts';
import {
  createNetwork,
  eventually,
  runInProcess,
  sendHl7,
  settled,
  sizesAt,
  type Member,
  type TestNetwork,
} from '../../support/network.ts';
import { connectionUrl } from '../../support/postgres.ts';

let network: TestNetwork;
let a: Member;
let b: Member;
let c: Member;
let sent = 0;

beforeAll(async () => {
  network = await createNetwork(3, { witnesses: 2, mirrors: 2 });
  [a, b, c] = network.members as [Member, Member, Member];
  for (const member of network.members) await network.start(member);
  await witnessedAll();
}, 120_000);
afterAll(() => network.close());

/** A new message of each running member comes to `witnessed`. */
async function witnessedAll(members: readonly Member[] = network.members): Promise<void> {
  for (const member of members) await sendHl7(member, [Buffer.from(sampleOru((sent += 1)))]);
  for (const member of members) await settled(member);
}

/** Rotates by the command beside the running gateway, which stops by itself; starts it again. */
async function rotate(member: Member, role: RotatableRole): Promise<void> {
  const env = { ...network.environment(member), DATABASE_ADMIN_URL: connectionUrl(member.database.admin) };
  expect(await runInProcess(keysCommand, ['rotate', role], env)).toMatchObject({ code: 0 });
  const { gateway } = member;
  await expect(sendHl7(member, [Buffer.from(sampleOru((sent += 1)))])).rejects.toThrow();
  await gateway?.fenced;
  await network.stop(member);
  const provider = fileKeyProvider({ path: `${member.dataDir}/gateway.key`, random: systemRandom });
  // The others have what they wrote into their policy files before: they are not started again yet.
  Object.assign(member, { keys: (await provider.load({ create: false })).keySet });
  await network.start(member);
}

function statusOf(log: Member, at: Member, token: string): Promise<Response> {
  return fetch(`${at.url}/mirror/${originHash(log.origin)}/status`, { headers: { authorization: token } });
}

const tokenOf = ({ origin, keys }: Member, audience: Member): string =>
  ownMember({ origin, signKey: keys.sign, log: { name: origin, ...keys.log }, clock: { now: () => Date.now() } }).token(
    audience.origin,
  );

describe('another key', () => {
  it('sign: is in force with the first request, and the old one ends there', async () => {
    const old = { ...b, keys: b.keys };
    expect((await statusOf(b, a, tokenOf(old, a))).status).toBe(200);
    await rotate(b, 'sign');
    // b has shown its new key to a when it sends what a does not have yet.
    await witnessedAll();
    expect((await statusOf(b, a, tokenOf(b, a))).status).toBe(200);
    const before = ownMember({
      origin: b.origin,
      signKey: old.keys.sign,
      log: { name: b.origin, ...old.keys.log },
      clock: { now: () => Date.now() - 120_000 },
    });
    expect((await statusOf(b, a, before.token(a.origin))).status).toBe(401);
  });

  it('witness and mirror: are refused until they stand in the policy file, and taken then', async () => {
    expect(await runInProcess(suspend, ['stranger.example/anamnesis'], network.environment(b))).toMatchObject({
      code: 0,
    });
    await rotate(b, 'witness');
    await rotate(b, 'mirror');
    // a still knows the old keys: b's signatures are none to it.
    await sendHl7(a, [Buffer.from(sampleOru((sent += 1)))]);
    await eventually(() =>
      a.events.find(({ event, code }) => event === 'replication.peer-failed' && code === 'integrity'),
    );
    const sizes = await sizesAt(a.url);
    expect(sizes.witnessed).toBeLessThan(sizes.durable);
    for (const member of [a, c]) {
      await network.stop(member);
      await network.start(member);
    }
    await witnessedAll();
    // What b has said under its old key still counts there.
    const metrics = await (await fetch(`${b.url}/metrics`)).text();
    expect(metrics).toMatch(/anamnesis_suspended_members 1/);
  });
});
