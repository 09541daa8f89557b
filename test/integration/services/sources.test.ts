import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/core/log.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { ackHeader, parseAck } from '../../../src/formats/hl7v2/ack.ts';
import { builtInSource } from '../../../src/normalize/hl7v2/source-definition.ts';
import type { LeafIndex } from '../../../src/core/ids.ts';
import { documentSigner, parseDocument } from '../../../src/record/document.ts';
import { acceptHl7v2 } from '../../../src/services/accept-hl7v2.ts';
import { keepSource, type KeepSourceDeps } from '../../../src/services/keep-source.ts';
import { openSourceRegistry, type SourceRegistry } from '../../../src/services/source-registry.ts';
import { listSources, sourceHistory } from '../../../src/services/source-store.ts';
import { reprocessMessage } from '../../../src/services/reprocess-message.ts';
import { messageStore } from '../../../src/storage/pg/message-store.ts';
import { quarantineStore } from '../../../src/storage/pg/quarantine-store.ts';
import type { Submission } from '../../../src/write/submission.ts';
import { unsealManifest } from '../../../src/write/writer.ts';
import { sourceStore } from '../../../src/storage/pg/source-store.ts';
import { serviceDeps } from '../../support/hl7v2-writer.ts';
import { oru, profile } from '../../support/hl7v2.ts';
import { openTestWriter, type TestWriter } from '../../support/writer.ts';

let one: TestWriter;
/** Another process of the same gateway. */
let other: TestWriter;
beforeAll(async () => {
  one = await openTestWriter();
  other = await openTestWriter({ database: one.database, keys: one.keys });
});
afterAll(async () => {
  await other.close();
  await one.close();
});

const LAB = { match: [{ application: 'LAB' }], assigner: 'urn:x:lab' };

function keeper(writer: TestWriter): KeepSourceDeps {
  const { keyring, committer, keys, pool } = writer;
  const sign = documentSigner(keys.sign);
  const parts = { sign, random: systemRandom, clock: systemClock, defaultName: 'default' };
  return { store: sourceStore(pool), keyring, committer, ...parts };
}

function registry(writer: TestWriter): Promise<SourceRegistry> {
  return openSourceRegistry({
    store: sourceStore(writer.pool),
    keyring: writer.keyring,
    log: silentLog,
    builtIn: builtInSource(profile({ name: 'default' })),
    rules: { unknown: 'default', unboundClients: false },
    everyMs: 1_000_000,
  });
}

const header = ackHeader(Buffer.from('MSH|^~\\&|LAB|HOSP|GW|GW|2026||ADT^A01|1|P|2.5\r'));

const fromNobody = (controlId: string): string =>
  oru({ controlId, obx: [] }).replace('MSH|^~\\&|', 'MSH|^~\\&|NOBODY-');

describe('sources in the ledger', () => {
  it('are versions with a name, a time and who made them; a change that changes nothing makes none', async () => {
    const deps = keeper(one);
    const first = await keepSource(deps, { name: 'lab', profile: LAB, by: 'ops|anna', from: 0 });
    expect(first).toMatchObject({ name: 'lab', version: 1, by: 'ops|anna', profile: LAB });
    expect(await keepSource(deps, { name: 'lab', profile: { ...LAB }, by: 'ops|bert' })).toEqual(first);
    const second = await keepSource(deps, {
      name: 'lab',
      profile: { ...LAB, timeZone: 'Asia/Tokyo' },
      by: 'ops|bert',
      from: 1,
    });
    expect(second).toMatchObject({ version: 2, by: 'ops|bert' });
    expect(await sourceHistory(deps, 'lab')).toEqual([first, second]);
    expect((await listSources(keeper(other))).map(({ name, version }) => [name, version])).toEqual([['lab', 2]]);
  });

  it('of two changes to one version, in two processes, one wins', async () => {
    await keepSource(keeper(one), {
      name: 'race',
      profile: { ...LAB, match: [{ application: 'RACE' }] },
      by: 'x',
      from: 0,
    });
    const change = (writer: TestWriter, zone: string): Promise<unknown> =>
      keepSource(keeper(writer), {
        name: 'race',
        profile: { ...LAB, match: [{ application: 'RACE' }], timeZone: zone },
        by: zone,
        from: 1,
      });
    const outcomes = await Promise.allSettled([change(one, 'Europe/Rome'), change(other, 'Europe/Oslo')]);
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'precondition-failed' },
    });
    expect((await sourceHistory(keeper(one), 'race')).map(({ version }) => version)).toEqual([1, 2]);
    // Without a version both are kept, one after the other.
    const many = Array.from({ length: 4 }, (_, i) =>
      keepSource(keeper(i % 2 === 0 ? one : other), {
        name: 'race',
        profile: { ...LAB, match: [{ application: 'RACE' }], description: `${i}` },
        by: 'x',
      }),
    );
    expect((await Promise.all(many)).map(({ version }) => version).toSorted((a, b) => a - b)).toEqual([3, 4, 5, 6]);
  });

  it.each([
    ['every fault at once', 'bad', { match: [{ application: 'B' }], charset: '?', colour: 1 }, 'invalid-content'],
    ['a source that nothing is known by', 'none', { assigner: 'urn:x:y' }, 'invalid-content'],
    ['a sender that is another source', 'lab2', { ...LAB }, 'conflict'],
    ['a profile that is too large', 'big', { ...LAB, description: 'x'.repeat(250_000) }, 'too-large'],
    ['no object', 'text', 'profile', 'invalid-content'],
    ['a removal of what is not there', 'nobody', null, 'not-found'],
  ])('refuse %s', async (_what, name, json, code) => {
    await expect(keepSource(keeper(one), { name, profile: json, by: 'x' })).rejects.toMatchObject({ code });
    expect(await sourceHistory(keeper(one), name)).toEqual([]);
  });

  it('are in use in every process after its next look, newest version first, and not after their removal', async () => {
    const [here, there] = await Promise.all([registry(one), registry(other)]);
    expect(here.choose(header, undefined).profile).toMatchObject({ name: 'lab', version: 2, zone: 'Asia/Tokyo' });
    await keepSource(keeper(one), { name: 'lab', profile: { ...LAB, timeZone: 'Europe/Rome' }, by: 'x' });
    await there.refresh();
    expect(there.choose(header, undefined).profile).toMatchObject({ version: 3, zone: 'Europe/Rome' });
    await keepSource(keeper(other), { name: 'lab', profile: null, by: 'x', from: 3 });
    expect(here.choose(header, undefined).profile.version).toBe(2);
    await Promise.all([here.refresh(), there.refresh()]);
    for (const known of [here, there])
      expect(known.choose(header, undefined).profile).toMatchObject({ name: 'default', version: 0 });
    // The name may come back; its versions go on.
    const again = await keepSource(keeper(one), { name: 'lab', profile: LAB, by: 'x', from: 0 });
    expect(again.version).toBe(5);
    for (const known of [here, there]) known.close();
  });

  it('looks that overtake each other never bring an older version back', async () => {
    const deps = { name: 'overtaken', by: 'x' };
    const json = (n: number): object => ({ ...LAB, match: [{ application: 'OVER' }], description: `${n}` });
    const real = sourceStore(one.pool);
    let hold: Promise<void> | undefined;
    let wasRead: () => void = () => {};
    const store = {
      ...real,
      async from(leaf: number) {
        const rows = await real.from(leaf);
        wasRead();
        await hold;
        return rows;
      },
    };
    const parts = { store, keyring: one.keyring, log: silentLog, everyMs: 1_000_000 };
    const rules = { unknown: 'default', unboundClients: false } as const;
    const known = await openSourceRegistry({ ...parts, rules, builtIn: builtInSource(profile({ name: 'elsewhere' })) });
    await keepSource(keeper(one), { ...deps, profile: json(1) });
    let release: () => void = () => {};
    hold = new Promise((resolve) => (release = resolve));
    const read = new Promise<void>((resolve) => (wasRead = resolve));
    const slow = known.refresh();
    await read;
    hold = undefined;
    await keepSource(keeper(one), { ...deps, profile: json(2) });
    const quick = known.refresh();
    // Long enough for it to overtake, if it could.
    await Promise.race([quick, sleep(300)]);
    release();
    await Promise.all([slow, quick]);
    const over = { ...header, sendingApplication: 'OVER' };
    expect(known.choose(over, undefined).profile).toMatchObject({ name: 'overtaken', version: 2 });
    known.close();
  });

  it('a kept source of the name of the settings takes their place', async () => {
    const own = { assigner: 'urn:x:own', acknowledgement: { accept: 'AL', application: 'NE' } };
    await keepSource(keeper(one), { name: 'default', profile: own, by: 'x' });
    const known = await registry(one);
    const unknown = { ...header, sendingApplication: 'NOBODY' };
    expect(known.choose(unknown, undefined).profile).toMatchObject({ version: 1, assigner: 'urn:x:own' });
    expect(known.fallback()).toMatchObject({ version: 1, assigner: 'urn:x:own' });
    const answers = await acceptHl7v2({ ...serviceDeps(one.writer), sources: known }, Buffer.from(fromNobody('D1')));
    expect(answers.map((answer) => parseAck(answer)?.code)).toEqual(['CA']);
    known.close();
  });

  it('a message of an unknown source is kept in quarantine where the setting says so, and read once its source is kept', async () => {
    const rules = { unknown: 'quarantine', unboundClients: false } as const;
    const parts = { store: sourceStore(one.pool), keyring: one.keyring, log: silentLog, everyMs: 1_000_000 };
    const known = await openSourceRegistry({ ...parts, rules, builtIn: builtInSource(profile({ name: 'elsewhere' })) });
    const message = Buffer.from(fromNobody('Q1'));
    const quarantined: string[] = [];
    const deps = {
      ...serviceDeps(one.writer),
      sources: known,
      onQuarantined: (code: string) => quarantined.push(code),
    };
    const [answer] = await acceptHl7v2(deps, message);
    expect(parseAck(answer)).toMatchObject({ code: 'AA', controlId: 'Q1' });
    expect(quarantined).toEqual(['forbidden']);

    const care = {
      ...deps,
      messages: messageStore(one.pool),
      quarantine: quarantineStore(one.pool),
      keyring: one.keyring,
    };
    const [leaf] = await care.quarantine.openFrom(0, {}, 10);
    const again = (): Promise<unknown> => reprocessMessage(care, leaf, { by: 'test' });
    expect(await again()).toMatchObject({ outcome: 'kept', reason: { code: 'forbidden' } });
    const late = { match: [{ application: 'NOBODY-*' }], assigner: 'urn:x:late' };
    await keepSource(keeper(one), { name: 'late', profile: late, by: 'x' });
    await known.refresh();
    expect(await again()).toMatchObject({ outcome: 'converted' });
    expect(await again()).toMatchObject({ outcome: 'already' });
    known.close();
  });

  it('both answers of enhanced mode are stored with the message: a resend to another process has them, byte for byte', async () => {
    const message = Buffer.from(fromNobody('E1').replace('|P|2.5.1', '|P|2.5.1|||AL|AL'));
    const accept = (writer: TestWriter): Promise<readonly Buffer[]> => acceptHl7v2(serviceDeps(writer.writer), message);
    const first = await accept(one);
    expect(first.map((answer) => parseAck(answer)?.code)).toEqual(['CA', 'AA']);
    expect((await accept(other)).map(String)).toEqual(first.map(String));
  });

  it('the manifest of a message names the version that read it', async () => {
    await keepSource(keeper(one), { name: 'noted', profile: { ...LAB, match: [{ application: 'NOTED' }] }, by: 'x' });
    const known = await registry(one);
    const message = fromNobody('V1').replace(/NOBODY-[^|]*/, 'NOTED');
    const leaves: LeafIndex[] = [];
    const writer = {
      async submit(submission: Submission) {
        const accepted = await one.writer.submit(submission);
        leaves.push(accepted.leaf);
        return accepted;
      },
    };
    await acceptHl7v2({ ...serviceDeps(writer), sources: known }, Buffer.from(message));
    const document = await messageStore(one.pool).document(leaves[0]);
    const content = await unsealManifest(one.keyring, parseDocument(document ?? Buffer.alloc(0)));
    expect(content).toMatchObject({ source: 'noted', details: { sourceVersion: 1 } });
    known.close();
  });
});
