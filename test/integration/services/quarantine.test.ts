import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SAMPLE_STAY } from '../../../src/cli/samples/hl7v2.ts';
import { systemPermit } from '../../../src/consent/permit.ts';
import { GatewayError } from '../../../src/core/errors.ts';
import type { LeafIndex } from '../../../src/core/ids.ts';
import type { Principal } from '../../../src/core/principal.ts';
import { parseAck } from '../../../src/formats/hl7v2/ack.ts';
import { acceptHl7v2, type AcceptHl7v2Deps } from '../../../src/services/accept-hl7v2.ts';
import { dismissMessage } from '../../../src/services/dismiss-message.ts';
import { listMessages } from '../../../src/services/list-messages.ts';
import { openRaw } from '../../../src/services/raw-message.ts';
import { messagesInQuarantine, reprocessMessage, type ReprocessDeps } from '../../../src/services/reprocess-message.ts';
import type { Access } from '../../../src/services/record-access.ts';
import { showRaw } from '../../../src/services/show-raw.ts';
import { onlySource } from '../../../src/services/sources.ts';
import { openMessage, storedMessage } from '../../../src/services/stored-message.ts';
import { quarantineHl7v2 } from '../../../src/services/submit-hl7v2.ts';
import { messageStore } from '../../../src/storage/pg/message-store.ts';
import { quarantineStore } from '../../../src/storage/pg/quarantine-store.ts';
import type { Writer } from '../../../src/write/submission.ts';
import { serviceDeps } from '../../support/hl7v2-writer.ts';
import { adt, oru, profile, RECEIVED_AT } from '../../support/hl7v2.ts';
import { openTestWriter, type TestWriter } from '../../support/writer.ts';

let database: TestWriter;
let deps: AcceptHl7v2Deps & ReprocessDeps;
beforeAll(async () => {
  database = await openTestWriter();
  const { writer, keyring, pool } = database;
  deps = { ...serviceDeps(writer), messages: messageStore(pool), quarantine: quarantineStore(pool), keyring };
});
afterAll(() => database.close());

const PID = 'PID|1||4711^^^HOSP^MR||Doe^Jane';
const visitOf = (control: string, patient: string): string =>
  adt('A01', [`PID|1||${patient}^^^HOSP^MR||Roe^Rita`, 'PV1|1|I|||||||||||||||||V-1^^^HOSP']).replace(
    /\|A01-[^|]*\|P/,
    `|${control}|P`,
  );
const result = (control: string, value: string, time: string): string =>
  oru({ obx: [`OBX|1|NM|718-7^Hb^LN||${value}|g/dL|||||F`] })
    .replace('|C1|', `|${control}|`)
    .replace(/^((?:[^|]*\|){6})[^|]*/, `$1${time}`);

async function send(message: string): Promise<string> {
  return String((await acceptHl7v2(deps, Buffer.from(message)))[0]);
}

/** Keeps a message that could be converted: as one of a source that was unknown when it came. */
async function keep(message: string): Promise<LeafIndex> {
  const incoming = { bytes: Buffer.from(message), profile: profile(), receivedAt: RECEIVED_AT, answer: () => '' };
  const { accepted } = await quarantineHl7v2(deps, incoming, new GatewayError('not-found', 'the source is not known'));
  return accepted.leaf;
}

const waiting = async (): Promise<readonly LeafIndex[]> =>
  (await listMessages(deps, { quarantined: true, limit: 100 })).messages.map(({ leaf }) => leaf);
const versions = async (): Promise<number> =>
  (await database.pool.query<{ n: number }>('select count(*)::int as n from record')).rows[0].n;

describe('quarantine', () => {
  it('a visit that is of another patient, a kind of nobody: kept, acknowledged, and resent without another row', async () => {
    expect(parseAck(Buffer.from(await send(adt('A28', [PID]))))).toMatchObject({ code: 'AA', condition: undefined });
    expect(parseAck(Buffer.from(await send(visitOf('C-1', '1'))))).toMatchObject({ code: 'AA', condition: undefined });
    const stolen = await send(visitOf('C-2', '2'));
    expect(parseAck(Buffer.from(stolen))).toMatchObject({ code: 'AA', condition: '207' });
    expect(await send(visitOf('C-2', '2'))).toBe(stolen);
    expect(await send(oru({ obx: [] }).replace('ORU^R01^ORU_R01', 'QBP^Q11'))).toContain('\rERR|');
    expect(await send(adt('A99', [PID, 'ZZZ|1', 'ZZZ|2']))).toContain('\rERR|');

    const { messages } = await listMessages(deps, { quarantined: true, limit: 100 });
    expect(messages.map(({ message, quarantine }) => [message, quarantine?.code, quarantine?.expression])).toEqual([
      ['ADT^A99', 'unsupported-event', 'MSH-9.2'],
      ['QBP^Q11', 'unsupported-message-type', 'MSH-9.1'],
      ['ADT^A01', 'business-rule', 'Encounter.subject'],
    ]);
    expect(await storedMessage(deps, messages[0].leaf)).toMatchObject({
      source: 'test',
      received: new Date(RECEIVED_AT).toISOString(),
      version: '2.5.1',
      groups: 0,
      unmapped: { EVN: 1, PID: 1, ZZZ: 2 },
    });
    expect(await deps.quarantine.countOpen({})).toEqual(
      new Map([
        ['business-rule', 1],
        ['unsupported-event', 1],
        ['unsupported-message-type', 1],
      ]),
    );
  });

  it('seals the bytes where the erasure of a known patient reaches them', async () => {
    const patients = await Promise.all(
      (await waiting()).map(async (leaf) => {
        const opened = await openMessage(deps, leaf);
        if (opened === undefined) throw new Error('not there');
        const raw = await openRaw(deps, systemPermit('reprocess'), leaf, opened.document, opened.content);
        expect(raw.bytes.toString()).toMatch(/^MSH/);
        return raw.patient === undefined ? 'nobody' : 'known';
      }),
    );
    // Jane is known; the result and the visit are of numbers that nobody has yet.
    expect(patients).toEqual(['known', 'nobody', 'nobody']);
    await expect(
      openRaw(deps, systemPermit('settle'), 0 as LeafIndex, undefined as never, undefined as never),
    ).rejects.toMatchObject({ code: 'forbidden' });
  });

  it('raw messages of any length come back byte for byte, those that end in newlines too', async () => {
    for (const length of [239_990, 240_000, 240_001, 480_003]) {
      const head = adt('A98', [PID]).replace(/\|A98-[^|]*\|P/, `|L${length}|P`);
      const bytes = `${head}ZZZ|${'x'.repeat(length - head.length - 7)}\n\n\n`;
      expect(bytes.length).toBe(length);
      const leaf = await keep(bytes);
      const opened = await openMessage(deps, leaf);
      if (opened === undefined) throw new Error('not there');
      const raw = await openRaw(deps, systemPermit('reprocess'), leaf, opened.document, opened.content);
      expect(raw.bytes.equals(Buffer.from(bytes))).toBe(true);
    }
  });
});

describe('the bytes of a message', () => {
  const principal: Principal = {
    issuer: 'https://hospital.example',
    subject: 'ops',
    role: 'system',
    purpose: 'HOPERAT',
    scopes: [],
    ownInstitution: true,
  };

  it('are handed out once the access is anchored in the trail of the patient', async () => {
    const [{ leaf }] = (await listMessages(deps, { quarantined: true, reason: 'unsupported-event', limit: 1 }))
      .messages;
    const seen: Access[] = [];
    const recorder = { record: async (access: Access) => void seen.push(access) };
    expect(String(await showRaw({ ...deps, recorder }, principal, leaf, 'r-1'))).toContain('ADT^A99');
    const [{ patient, references, reasons }] = seen;
    expect(patient).toBeDefined();
    expect({ references, reasons: reasons?.reasons }).toEqual({
      references: [`MessageHeader/m-${leaf}`],
      reasons: ['source-message'],
    });
  });

  it('stay closed where it cannot be anchored', async () => {
    const [leaf] = await waiting();
    const recorder = { record: () => Promise.reject(new GatewayError('unavailable', 'the database is away')) };
    await expect(showRaw({ ...deps, recorder }, principal, leaf, 'r-2')).rejects.toMatchObject({ code: 'unavailable' });
  });
});

describe('reprocessing', () => {
  it('converts once, whoever asks and however often', async () => {
    const leaf = await keep(result('K-1', '12.1', '20260301120000+0100'));
    const before = await versions();
    const tries = await Promise.all([1, 2, 3, 4].map((n) => reprocessMessage(deps, leaf, { by: `${n}` })));
    const by = tries.find(({ outcome }) => outcome === 'converted');
    expect(tries.map(({ outcome }) => outcome).toSorted()).toEqual(['already', 'already', 'already', 'converted']);
    expect(new Set(tries.map((one) => ('by' in one ? one.by : 0))).size).toBe(1);
    const after = await versions();
    expect(after).toBeGreaterThan(before);
    expect(await reprocessMessage(deps, leaf, {})).toMatchObject({ outcome: 'already' });
    expect(await versions()).toBe(after);
    expect(await waiting()).not.toContain(leaf);
    const made = by !== undefined && 'by' in by ? by.by : leaf;
    expect(await storedMessage(deps, leaf)).toMatchObject({ reprocessedBy: made, quarantine: { code: 'not-found' } });
    expect(await storedMessage(deps, made)).toMatchObject({ reprocessOf: leaf, controlId: 'K-1' });
    // What is converted has nothing to be made of it.
    expect(await reprocessMessage(deps, made, {})).toEqual({ leaf: made, outcome: 'not-in-quarantine' });
    // A resend is answered as the first time.
    expect(await send(result('K-1', '12.1', '20260301120000+0100'))).toBe('undefined');
    expect(await versions()).toBe(after);
  });

  it('of two processes that reprocess the same messages each message is converted by one', async () => {
    const other = await openTestWriter({ database: database.database, keys: database.keys });
    const theirs = { ...deps, writer: other.writer, keyring: other.keyring };
    const leaves: LeafIndex[] = [];
    for (let n = 0; n < 12; n += 1) leaves.push(await keep(result(`P-${n}`, `${n}`, '20260228')));
    const both = await Promise.all(
      [deps, theirs].map((mine) => Promise.all(leaves.map((leaf) => reprocessMessage(mine, leaf, {})))),
    );
    await other.pool.end();
    for (const [i, leaf] of leaves.entries()) {
      const [one, two] = both.map((results) => results[i]);
      expect([one.outcome, two.outcome].toSorted()).toEqual(['already', 'converted']);
      expect('by' in one && 'by' in two && one.by === two.by, `${leaf}`).toBe(true);
    }
  });

  it('what still cannot be converted stays, with the reason of today', async () => {
    const [leaf] = await waiting();
    const before = await waiting();
    expect(await reprocessMessage({ ...deps, sources: onlySource(profile()) }, leaf, {})).toMatchObject({
      outcome: 'kept',
      reason: { code: expect.stringMatching(/^unsupported/) },
    });
    expect(await waiting()).toEqual(before);
    await expect(reprocessMessage(deps, 0 as LeafIndex, {})).rejects.toMatchObject({ code: 'not-found' });
  });

  it('makes what would have been made when the messages came', async () => {
    const made = async (through: (text: string, into: AcceptHl7v2Deps & ReprocessDeps) => Promise<void>) => {
      const own = await openTestWriter();
      const outcomes: string[][] = [];
      const submit: Writer['submit'] = async (submission) => {
        const accepted = await own.writer.submit(submission);
        if (submission.changes.length > 0)
          outcomes.push(accepted.results.map(({ type, outcome, versionId }) => `${type} ${outcome} ${versionId}`));
        return accepted;
      };
      const { keyring, pool } = own;
      const into = {
        ...serviceDeps({ submit }),
        messages: messageStore(pool),
        quarantine: quarantineStore(pool),
        keyring,
      };
      for (const { text } of SAMPLE_STAY) await through(text, into);
      for await (const leaf of messagesInQuarantine(into, {})) await reprocessMessage(into, leaf, {});
      await own.close();
      return outcomes;
    };
    const reason = new GatewayError('not-found', 'the source is not known');
    const atOnce = await made(async (text, into) => void (await acceptHl7v2(into, Buffer.from(text))));
    const later = await made(async (text, into) => {
      const incoming = { bytes: Buffer.from(text), profile: profile(), receivedAt: RECEIVED_AT, answer: () => '' };
      await quarantineHl7v2(into, incoming, reason);
    });
    expect(atOnce).toHaveLength(SAMPLE_STAY.length);
    expect(later).toEqual(atOnce);
  });

  it('keeps the order of the source: an older result does not overwrite a newer one', async () => {
    const old = await keep(result('K-2', '1', '20260302080000+0100'));
    expect(await send(result('K-3', '2', '20260302090000+0100'))).toContain('MSA|AA');
    const before = await versions();
    expect(await reprocessMessage(deps, old, {})).toMatchObject({ outcome: 'converted' });
    expect(await versions()).toBe(before);
  });

  it('a late message about the visit of another patient is kept: nothing of it gets into that chart', async () => {
    const late = visitOf('C-0', '3').replace(/^((?:[^|]*\|){6})[^|]*/, (_, head: string) => `${head}20200101`);
    expect(late).toContain('|20200101|');
    const before = await versions();
    expect(parseAck(Buffer.from(await send(late)))).toMatchObject({ code: 'AA', condition: '207' });
    expect(await versions()).toBe(before);
    const [{ leaf }] = (await listMessages(deps, { quarantined: true, limit: 1 })).messages;
    expect(await reprocessMessage(deps, leaf, {})).toMatchObject({
      outcome: 'kept',
      reason: { code: 'business-rule' },
    });
  });

  it('runs through the quarantine in the order in which the messages came', async () => {
    const kept = [await keep(result('K-4', '3', '20260303')), await keep(result('K-5', '4', '20260303'))];
    const seen: LeafIndex[] = [];
    for await (const leaf of messagesInQuarantine(deps, { reason: 'not-found' })) {
      seen.push(leaf);
      await reprocessMessage(deps, leaf, {});
    }
    expect(seen.slice(-2)).toEqual(kept);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(await waiting()).not.toContain(kept[0]);
  });
});

describe('dismissing', () => {
  it('takes a message out for good, with the reason, and nothing is made of it any more', async () => {
    const leaf = await keep(result('K-6', '5', '20260304'));
    const before = await versions();
    for (const because of ['', ' ', 'x'.repeat(201), 'a\u0000b'])
      await expect(dismissMessage(deps, leaf, because, {})).rejects.toMatchObject({ code: 'invalid-content' });
    const done = await dismissMessage(deps, leaf, 'a test of the interface', { subject: 'ops' });
    expect(done).toMatchObject({ leaf, outcome: 'dismissed' });
    const by = 'by' in done ? done.by : leaf;
    expect(await dismissMessage(deps, leaf, 'again', {})).toEqual({ leaf, outcome: 'already', by });
    expect(await reprocessMessage(deps, leaf, {})).toEqual({ leaf, outcome: 'already', by });
    expect(await waiting()).not.toContain(leaf);
    expect(await versions()).toBe(before);
    expect(await storedMessage(deps, by)).toMatchObject({
      reprocessOf: leaf,
      dismissed: 'a test of the interface',
      controlId: 'K-6',
    });
    expect(await dismissMessage(deps, by, 'more', {})).toMatchObject({ outcome: 'not-in-quarantine' });
    await expect(dismissMessage(deps, 0 as LeafIndex, 'more', {})).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('the list', () => {
  it('property: pages of any size give every message once, newest first', async () => {
    const all = (await listMessages(deps, { quarantined: false, limit: 1000 })).messages.map(({ leaf }) => leaf);
    expect(all.length).toBeGreaterThan(10);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 7 }), fc.boolean(), async (limit, quarantined) => {
        const expected = quarantined ? await waiting() : all;
        const seen: LeafIndex[] = [];
        for (let next: number | undefined = Number.MAX_SAFE_INTEGER; next !== undefined;) {
          const page = await listMessages(deps, { quarantined, limit, before: next });
          seen.push(...page.messages.map(({ leaf }) => leaf));
          next = page.next;
        }
        expect(seen).toEqual(expected);
      }),
      { numRuns: 12 },
    );
  });

  it('by source, reason and time', async () => {
    const list = async (query: object): Promise<number> =>
      (await listMessages(deps, { quarantined: true, limit: 1000, ...query })).messages.length;
    expect(await list({ source: 'test' })).toBe((await waiting()).length);
    expect(await list({ source: 'another' })).toBe(0);
    expect(await list({ quarantined: false, source: 'another' })).toBe(0);
    expect(await list({ reason: 'business-rule' })).toBe(2);
    expect(await list({ since: RECEIVED_AT })).toBe((await waiting()).length);
    expect(await list({ since: RECEIVED_AT + 1 })).toBe(0);
    expect(await list({ quarantined: false, since: RECEIVED_AT + 1 })).toBe(0);
  });
});
