/**
 * One origin, two databases: a copy of a gateway's database comes up under the same keys while the first one runs, and both
 * sign. Witnesses and mirrors stay with the first tree, keep and publish the proof, raise the alarm and stop signing, also
 * after a restart, until a person lifts it; the copy learns that it is the fork and takes nothing more.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, type Gateway } from '../../src/app.ts';
import { witness } from '../../src/cli/witness.ts';
import { sampleOru } from '../../src/cli/samples/hl7v2.ts';
import type { LogFields } from '../../src/core/log.ts';
import { parseCheckpoint } from '../../src/ledger/checkpoint.ts';
import { KEY_ED25519, verifierKey, verifyNote } from '../../src/ledger/note.ts';
import { originHash } from '../../src/replication/trust.ts';
import { openLink, type Link } from '../support/link.ts';
import {
  answersTo,
  configOf,
  createNetwork,
  eventually,
  recordingLog,
  runInProcess,
  sendHl7,
  settled,
  sizesAt,
  type Member,
  type TestNetwork,
} from '../support/network.ts';
import { copyTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { writeFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

let network: TestNetwork;
let a: Member;
let b: Member;
let c: Member;
/** The links of the copy to the peers: of its own, so that it alone can be cut off. */
let links: Link[];
let copy: TestDatabase;
let second: Gateway | undefined;
const events: LogFields[] = [];
beforeAll(async () => {
  network = await createNetwork(3);
  [a, b, c] = network.members as [Member, Member, Member];
  for (const member of network.members) await network.start(member);
  links = [await openLink(), await openLink()];
}, 120_000);
afterAll(async () => {
  await second?.close();
  for (const link of links) await link.close();
  await network.close();
  await copy.drop();
});

const report = (n: number): Buffer => Buffer.from(sampleOru(n));

async function startCopy(): Promise<Gateway> {
  const env = network.environment(a, copy);
  const policy = join(a.dataDir, 'policy-of-the-copy');
  let text = readFileSync(env.LEDGER_POLICY_FILE ?? '', 'utf8');
  for (const [i, peer] of [b, c].entries()) {
    const link = links[i] as Link;
    link.target = peer.link.target;
    text = text.replaceAll(peer.url, `http://127.0.0.1:${link.port}`);
  }
  writeFileSync(policy, text);
  return startGateway(configOf({ ...env, LEDGER_POLICY_FILE: policy }, a.dataDir), recordingLog(events));
}

const evidenceOf = async (member: Member): Promise<{ origin: string; first: string; second: string }[]> =>
  ((await (await fetch(`${member.url}/witness/evidence`)).json()) as { evidence: [] }).evidence;
const metric = async (member: Member, name: string): Promise<string | undefined> =>
  new RegExp(`^${name} (.*)$`, 'm').exec(await (await fetch(`${member.url}/metrics`)).text())?.[1];

describe('two databases of one origin', () => {
  let size: number;
  let root: Buffer | undefined;

  it('sign two trees: peers keep to the first, and the second learns that it is the fork', async () => {
    await sendHl7(a, [1, 2, 3].map(report));
    await settled(a);
    await network.stop(a);
    copy = await copyTestDatabase(a.database);
    await network.start(a);
    second = await startCopy();
    // The copy is cut off; both take a message of the same form, and so anchor as many leaves.
    for (const link of links) {
      link.target = undefined;
      link.cut();
    }
    await sendHl7(a, [report(11)]);
    expect((await answersTo(second.addresses.mllp, [report(21)]))[0]).toContain('MSA|AA|');
    size = await settled(a);
    expect((await sizesAt(second.addresses.http)).durable).toBe(size);
    root = parseCheckpoint(await (await fetch(`${a.url}/ledger/checkpoint`)).text())?.checkpoint.root;
    for (const [i, peer] of [b, c].entries()) Object.assign(links[i] as Link, { target: peer.link.target });

    for (const peer of [b, c]) {
      const [evidence] = await eventually(async () => {
        const found = await evidenceOf(peer);
        return found.length > 0 ? found : undefined;
      });
      const notes = [evidence?.first, evidence?.second].map((note) => parseCheckpoint(note ?? ''));
      const key = verifierKey(a.origin, KEY_ED25519, a.keys.log.rawPublicKey);
      for (const note of notes) expect(note && verifyNote(note.note, [key])).toHaveLength(1);
      expect(notes.map((note) => note?.checkpoint.size)).toEqual([size, size]);
      expect(notes[0]?.checkpoint.root).toEqual(root);
      expect(notes[1]?.checkpoint.root).not.toEqual(root);
      expect(peer.events.some(({ event, source }) => event === 'equivocation' && source === a.origin)).toBe(true);
      await eventually(async () => ((await metric(peer, 'anamnesis_frozen_origins')) === '1' ? true : undefined));
    }
    // The copy asks who is right, and takes nothing more; the first goes on taking messages.
    await eventually(() => (events.some(({ event }) => event === 'restore-rule.rolled-back') ? true : undefined));
    const [refused] = await answersTo(second.addresses.mllp, [report(31)]);
    expect(refused).toMatch(/MSA\|AE\|/);
    expect((await sizesAt(second.addresses.http)).durable).toBe(size);
    await second.close();
    second = undefined;
    await expect(startCopy()).rejects.toMatchObject({ code: 'integrity' });
  }, 120_000);

  it('stay frozen through a restart of the witness, which says so again', async () => {
    await network.stop(b);
    const before = b.events.length;
    await network.start(b);
    expect(b.events.slice(before).some(({ event, source }) => event === 'origin-frozen' && source === a.origin)).toBe(
      true,
    );
    expect(await metric(b, 'anamnesis_frozen_origins')).toBe('1');
    expect(await evidenceOf(b)).toHaveLength(1);
    await sendHl7(a, [report(41)]);
    await eventually(() =>
      a.events.some(({ event, code }) => event === 'replication.peer-failed' && code === 'forbidden')
        ? true
        : undefined,
    );
    expect((await sizesAt(a.url)).witnessed).toBe(size);
    for (const peer of [b, c]) {
      for (const role of ['witness', 'mirror']) {
        const note = await (await fetch(`${peer.url}/${role}/${originHash(a.origin)}/checkpoint`)).text();
        expect(parseCheckpoint(note)?.checkpoint).toMatchObject({ size, root });
      }
    }
  }, 120_000);

  it('go on with the first tree when a person has lifted it, and the evidence stays', async () => {
    for (const peer of [b, c]) {
      expect((await runInProcess(witness, ['evidence'], network.environment(peer))).out).toContain(a.origin);
      expect(await runInProcess(witness, ['lift', a.origin], network.environment(peer))).toMatchObject({ code: 0 });
    }
    await sendHl7(a, [report(42)]);
    expect(await settled(a)).toBeGreaterThan(size);
    for (const peer of [b, c]) {
      expect(await evidenceOf(peer)).toHaveLength(1);
      await eventually(async () => ((await metric(peer, 'anamnesis_frozen_origins')) === '0' ? true : undefined));
    }
  }, 120_000);
});
