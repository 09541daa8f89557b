/** The policy file is followed while the gateway runs: members come and go without a restart; a file that is wrong changes nothing. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sampleOru } from '../../../src/cli/samples/hl7v2.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { parseCheckpoint } from '../../../src/ledger/checkpoint.ts';
import { ownMember } from '../../../src/replication/member.ts';
import { originHash } from '../../../src/replication/trust.ts';
import {
  createNetwork,
  eventually,
  policyText,
  sendHl7,
  type Member,
  type TestNetwork,
} from '../../support/network.ts';

let network: TestNetwork;
let a: Member;
let b: Member;
let c: Member;

const fileOf = (member: Member): string => join(member.dataDir, 'policy');
const send = (member: Member, n: number): Promise<void> => sendHl7(member, [Buffer.from(sampleOru(n))]);

beforeAll(async () => {
  network = await createNetwork(3);
  [a, b, c] = network.members as [Member, Member, Member];
  for (const member of [b, c]) await network.start(member);
  // The first one begins with a file that names nobody.
  const alone = join(a.dataDir, 'alone');
  writeFileSync(alone, 'quorum none\n');
  await network.start(a, a.database, { LEDGER_POLICY_FILE: alone });
}, 120_000);
afterAll(() => network.close());

interface Sizes {
  readonly durable: number;
  readonly mirrored: number;
  readonly witnessed: number;
}
const sizes = async (): Promise<Sizes> =>
  ((await (await fetch(`${a.url}/ledger/levels`)).json()) as { sizes: Sizes }).sizes;
const last = (event: string): string =>
  JSON.stringify(a.events.filter((fields) => fields.event.startsWith(event)).at(-1) ?? a.events.slice(-5));
const allWitnessed = (): Promise<true> =>
  eventually(
    async () => {
      const { durable, witnessed } = await sizes();
      return witnessed >= durable ? true : undefined;
    },
    () => last(''),
  );
const metric = async (name: string): Promise<string | undefined> =>
  (await (await fetch(`${a.url}/metrics`)).text()).split('\n').find((line) => line.startsWith(name));

it('a gateway that knew nobody gets its peers', async () => {
  await send(a, 1);
  expect((await sizes()).witnessed).toBe(0);
  writeFileSync(join(a.dataDir, 'alone'), policyText(network.members, a, {}));
  await allWitnessed();
  expect(a.events.some(({ event }) => event === 'policy.changed')).toBe(true);
  const note = parseCheckpoint(await (await fetch(`${a.url}/ledger/checkpoint`)).text());
  expect(note?.note.signatures.length).toBeGreaterThanOrEqual(3);
});

it('a file that is wrong is refused, by its lines, and the policy before it counts', async () => {
  const good = readFileSync(join(a.dataDir, 'alone'), 'utf8');
  writeFileSync(join(a.dataDir, 'alone'), `${good}group again any nobody\n`);
  await eventually(() => a.events.find(({ event }) => event === 'policy.refused'));
  expect(last('policy.refused')).toContain('a member is defined on no line before this one');
  expect(await metric('anamnesis_policy_valid')).toBe('anamnesis_policy_valid 0');
  await send(a, 2);
  await allWitnessed();
  // Back to what counts: it is valid again, and nothing has changed.
  writeFileSync(join(a.dataDir, 'alone'), good);
  await eventually(async () =>
    (await metric('anamnesis_policy_valid')) === 'anamnesis_policy_valid 1' ? true : undefined,
  );
});

it('a peer that leaves is not asked any more, and what it was needed for goes on with the others', async () => {
  await network.stop(c);
  const without = policyText([a, b], a, {});
  writeFileSync(join(a.dataDir, 'alone'), without);
  await eventually(async () => {
    const text = await (await fetch(`${a.url}/metrics`)).text();
    return text.includes(`peer="${c.name}-witness"`) ? undefined : true;
  });
  await send(a, 3);
  await allWitnessed();
});

it('a log that leaves is refused from then on, with a token that was good before', async () => {
  const member = ownMember({
    origin: a.origin,
    signKey: a.keys.sign,
    log: { name: a.origin, ...a.keys.log },
    clock: systemClock,
  });
  const ask = async (): Promise<number> => {
    const authorization = member.token(b.origin);
    return (await fetch(`${b.url}/mirror/${originHash(b.origin)}/status`, { headers: { authorization } })).status;
  };
  const full = readFileSync(fileOf(b), 'utf8');
  expect(await ask()).toBe(200);
  const hash = originHash(a.origin);
  expect((await fetch(`${b.url}/mirror/${hash}/checkpoint`)).status).toBe(200);
  writeFileSync(fileOf(b), full.replace(/^log hospital-1.*\n/m, ''));
  await eventually(async () => ((await ask()) === 401 ? true : undefined));
  for (const path of [`mirror/${hash}/checkpoint`, `witness/${hash}/checkpoint`, `mirror/${hash}/tile/0/000.p/1`]) {
    expect([path, (await fetch(`${b.url}/${path}`)).status]).toEqual([path, 404]);
  }
  const body = await (await fetch(`${a.url}/ledger/checkpoint?level=durable`)).text();
  expect((await fetch(`${b.url}/witness/add-checkpoint`, { method: 'POST', body: `old 0\n\n${body}` })).status).toBe(
    404,
  );
  // And comes back.
  writeFileSync(fileOf(b), full);
  await eventually(async () => ((await ask()) === 200 ? true : undefined));
  await send(a, 4);
  await allWitnessed();
});
