/** Four gateways that may not trust each other for ever: suspension, forged histories, uploads that lie. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { suspend, unsuspend } from '../../../src/cli/suspend.ts';
import { witness } from '../../../src/cli/witness.ts';
import { sampleOru } from '../../../src/cli/samples/hl7v2.ts';
import { signCheckpoint } from '../../../src/ledger/checkpoint.ts';
import { encodeAddEntriesHeader, encodePackage } from '../../../src/ledger/mirror-message.ts';
import { encodeAddCheckpoint } from '../../../src/ledger/witness-message.ts';
import { ownMember } from '../../../src/replication/member.ts';
import { originHash } from '../../../src/replication/trust.ts';
import {
  createNetwork,
  eventually,
  runInProcess,
  sendHl7,
  settled,
  type Member,
  type TestNetwork,
} from '../../support/network.ts';

let network: TestNetwork;
let a: Member;
let b: Member;
let c: Member;
let d: Member;

beforeAll(async () => {
  network = await createNetwork(4, { witnesses: 2 });
  [a, b, c, d] = network.members as [Member, Member, Member, Member];
  for (const member of network.members) await network.start(member);
  await sendHl7(a, [Buffer.from(sampleOru(1))]);
  await settled(a);
}, 120_000);
afterAll(() => network.close());

const post = (
  url: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<Response> => fetch(url, { method: 'POST', body, headers });

function tokenOf(member: Member, audience: Member): string {
  const { origin, keys } = member;
  return ownMember({
    origin,
    signKey: keys.sign,
    log: { name: origin, ...keys.log },
    clock: { now: () => Date.now() },
  }).token(audience.origin);
}

describe('uploads that lie', () => {
  it('are refused with the status of the specification, and the mirror keeps what it had', async () => {
    const hash = originHash(a.origin);
    const durable = await settled(a);
    // The quorum may hold without this mirror: it may still be on its way.
    const checkpoint = await eventually(async () => {
      const text = await (await fetch(`${b.url}/mirror/${hash}/checkpoint`)).text();
      const answer = await fetch(`${b.url}/mirror/${hash}/status`, { headers: { authorization: tokenOf(a, b) } });
      const { held } = (await answer.json()) as { held: number };
      return Number(text.split('\n')[1]) === durable && held === durable ? text : undefined;
    });
    const size = Number(checkpoint.split('\n')[1]);
    const entries = (header: object, ...rest: Buffer[]): Promise<Response> =>
      post(
        `${b.url}/mirror/add-entries`,
        new Uint8Array(
          Buffer.concat([
            encodeAddEntriesHeader({ origin: a.origin, start: 0, end: size, ticket: Buffer.alloc(0), ...header }),
            ...rest,
          ]),
        ),
        { 'content-type': 'application/octet-stream' },
      );
    const lie = encodePackage(
      Array.from({ length: size }, () => Buffer.alloc(33, 1)),
      [],
    );
    expect((await entries({ origin: 'nobody.example' })).status).toBe(404);
    expect((await entries({ end: size + 1 })).status).toBe(409);
    expect((await entries({ start: size + 5, end: size + 9 })).status).toBe(409);
    expect((await entries({}, lie)).status).toBe(422);
    expect((await entries({}, lie.subarray(0, 40))).status).toBe(400);
    expect((await post(`${b.url}/mirror/add-entries`, 'x')).status).toBe(400);
    const data = (body: string | Uint8Array<ArrayBuffer>, from: number, authorization: string): Promise<Response> =>
      post(`${b.url}/mirror/${hash}/data?from=${from}`, body, { authorization });
    expect((await data('x', size, '')).status).toBe(401);
    expect((await data('nonsense that is no frame', 0, tokenOf(a, b))).status).toBe(409);
    expect((await data('nonsense that is no frame', size, tokenOf(a, b))).status).toBe(422);
    expect(await (await fetch(`${b.url}/mirror/${hash}/checkpoint`)).text()).toBe(checkpoint);
  });
});

describe('suspension', () => {
  it('ends tokens, checkpoints and requests of a member where the policy says so, and only there', async () => {
    const before = await fetch(`${b.url}/mirror/${originHash(d.origin)}/status`, {
      headers: { authorization: tokenOf(d, b) },
    });
    expect(before.status).toBe(200);
    const said = await runInProcess(suspend, [d.origin], network.environment(b));
    expect(said.code).toBe(0);
    // b suspends alone: in force there at its next look; a needs two of its witnesses.
    await eventually(async () => {
      const answer = await fetch(`${b.url}/mirror/${originHash(d.origin)}/status`, {
        headers: { authorization: tokenOf(d, b) },
      });
      return answer.status === 403 ? true : undefined;
    });
    const status = async (member: Member): Promise<number> =>
      (
        await fetch(`${member.url}/mirror/${originHash(d.origin)}/status`, {
          headers: { authorization: tokenOf(d, member) },
        })
      ).status;
    expect(await status(a)).toBe(200);
    await runInProcess(suspend, [d.origin], network.environment(c));
    expect(await status(a)).toBe(403);
    const submitted = await post(
      `${a.url}/witness/add-checkpoint`,
      encodeAddCheckpoint(0, [], await (await fetch(`${d.url}/ledger/checkpoint?level=durable`)).text()),
    );
    expect(submitted.status).toBe(403);
    // Taken back by one of the two: below the rule again.
    await runInProcess(unsuspend, [d.origin], network.environment(c));
    expect(await status(a)).toBe(200);
    const forged = (await (await fetch(`${a.url}/ledger/suspensions`)).json()) as { statements: string[] };
    expect(
      (await post(`${a.url}/ledger/suspensions`, (forged.statements[0] ?? '').replace(d.origin, c.origin))).status,
    ).toBe(403);
    await runInProcess(unsuspend, [d.origin], network.environment(b));
  });
});

describe('two histories', () => {
  it('are found, kept, published and alarmed; a person lifts the freeze', async () => {
    const size = await settled(a);
    const fork = signCheckpoint(a.origin, size, Buffer.alloc(32, 7), { name: a.origin, ...a.keys.log });
    expect((await post(`${c.url}/witness/add-checkpoint`, encodeAddCheckpoint(size, [], fork))).status).toBe(422);
    const { evidence } = (await (await fetch(`${c.url}/witness/evidence`)).json()) as {
      evidence: { origin: string }[];
    };
    expect(evidence.map(({ origin }) => origin)).toEqual([a.origin]);
    expect(await (await fetch(`${c.url}/metrics`)).text()).toMatch(/anamnesis_equivocations_total 1/);
    expect(c.events.some(({ event }) => event === 'equivocation')).toBe(true);
    const again = await (await fetch(`${a.url}/ledger/checkpoint?level=durable`)).text();
    expect((await post(`${c.url}/witness/add-checkpoint`, encodeAddCheckpoint(size, [], again))).status).toBe(403);
    // Two of the other three still make the quorum.
    await sendHl7(a, [Buffer.from(sampleOru(2))]);
    expect(await settled(a)).toBeGreaterThan(size);
    expect((await runInProcess(witness, ['evidence'], network.environment(c))).out).toContain(`frozen: ${a.origin}`);
    expect(await runInProcess(witness, ['lift', a.origin], network.environment(c))).toMatchObject({ code: 0 });
    await sendHl7(a, [Buffer.from(sampleOru(3))]);
    const now = await settled(a);
    await eventually(async () => {
      const shown = await (await fetch(`${c.url}/witness/${originHash(a.origin)}/checkpoint`)).text();
      return Number(shown.split('\n')[1]) >= now ? true : undefined;
    });
  });
});
