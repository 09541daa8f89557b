import { compactDecrypt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { groupNumber, leafOfGroup } from '../../../src/core/ids.ts';
import type { Change } from '../../../src/formats/fhir/change.ts';
import { parseDocument, verifyDocument } from '../../../src/record/document.ts';
import { compactOf } from '../../../src/record/sealed-group.ts';
import type { Submission } from '../../../src/write/submission.ts';
import { openTestWriter, type TestWriter } from '../../support/writer.ts';

let writer: TestWriter;
beforeAll(async () => {
  writer = await openTestWriter();
});
afterAll(() => writer.close());

const patient = (mrn: string, family: string): Change => ({
  mode: 'merge',
  type: 'Patient',
  keys: [['identifier', 'urn:mrn', mrn]],
  sourceTime: 1_700_000_000_000,
  set: { resourceType: 'Patient', identifier: [{ system: 'urn:mrn', value: mrn }], name: [{ family }] },
});

const observation = (order: string, value: number, sourceTime = 1_700_000_000_000): Change => ({
  mode: 'merge',
  type: 'Observation',
  keys: [['filler', 'lab', order, '1234-5']],
  sourceTime,
  set: {
    resourceType: 'Observation',
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code: '1234-5' }] },
    subject: { reference: 'change:0' },
    effectiveDateTime: '2023-11-14T22:13:20Z',
    valueQuantity: { value, unit: 'mg' },
  },
});

function message(control: string, changes: readonly Change[], text = control): Submission {
  return {
    kind: 'hl7v2',
    source: 'lab',
    control,
    raw: { bytes: Buffer.from(`MSH|${text}`), contentType: 'x-application/hl7-v2+er7' },
    changes,
    receivedAt: 1_700_000_100_000,
    sourceTime: 1_700_000_000_000,
    details: {},
    validate: true,
    answer: (results) => results.map((result) => `${result.type}/${result.versionId}`).join(' '),
  };
}

describe('submit', () => {
  it('a statement repeated unchanged is the newer one: what was said in between does not overwrite it when it comes late', async () => {
    const at = 1_700_000_000_000;
    const send = async (control: string, value: number, minute: number) => {
      const change = observation('again', value, at + minute * 60_000);
      return (await writer.writer.submit(message(control, [patient('8', 'Poe'), change]))).results[1];
    };
    expect(await send('R1', 5, 0)).toMatchObject({ outcome: 'created' });
    expect(await send('R3', 5, 1)).toMatchObject({ outcome: 'unchanged', versionId: '1' });
    expect(await send('R2', 6, 0.5)).toMatchObject({ outcome: 'stale', versionId: '1' });
    expect(await send('R4', 6, 1.5)).toMatchObject({ outcome: 'updated', versionId: '2' });
  });

  it('anchors a message, makes its resources, and replays the stored answer to a resend', async () => {
    const first = await writer.writer.submit(message('A1', [patient('1', 'Moe'), observation('o1', 5)]));
    expect(first.results.map((result) => result.outcome)).toEqual(['created', 'created']);
    expect(first.answer).toBe('Patient/1 Observation/1');
    expect(leafOfGroup(first.results[0].group ?? groupNumber(0 as never, 0))).toBe(first.leaf);
    const again = await writer.writer.submit(message('A1', [patient('1', 'Moe'), observation('o1', 5)]));
    expect(again).toMatchObject({ replayed: true, leaf: first.leaf, answer: first.answer });
  });

  it('makes a correction a new version of the same resource, and leaves identical content alone', async () => {
    const first = await writer.writer.submit(message('B1', [patient('2', 'Roe'), observation('o2', 5)]));
    const second = await writer.writer.submit(message('B2', [patient('2', 'Roe'), observation('o2', 6)]));
    expect(second.results.map(({ outcome, versionId }) => [outcome, versionId])).toEqual([
      ['unchanged', '1'],
      ['updated', '2'],
    ]);
    expect(second.results[1].id).toBe(first.results[1].id);
    const stale = await writer.writer.submit(
      message('B3', [patient('2', 'Roe'), observation('o2', 7, 1_600_000_000_000)]),
    );
    expect(stale.results[1]).toMatchObject({ outcome: 'stale', versionId: '2' });
  });

  it('a late statement adds to lists, and the time of the newer one stays', async () => {
    const at = (sourceTime: number, status: string, name: string): Change => ({
      mode: 'merge',
      type: 'DiagnosticReport',
      keys: [['report', 'late']],
      sourceTime,
      set: {
        resourceType: 'DiagnosticReport',
        status,
        code: { text: 'x' },
        subject: { reference: 'change:0' },
      },
      append: { conclusionCode: [{ text: name }] },
    });
    const take = async (control: string, change: Change): Promise<unknown> =>
      (await writer.writer.submit(message(control, [patient('9', 'Late'), change]))).results[1];
    expect(await take('L1', at(1_700_000_003_000, 'final', 'a'))).toMatchObject({ outcome: 'created' });
    expect(await take('L2', at(1_700_000_001_000, 'partial', 'b'))).toMatchObject({
      outcome: 'updated',
      versionId: '2',
    });
    expect(await take('L3', at(1_700_000_002_000, 'preliminary', 'b'))).toMatchObject({ outcome: 'stale' });
  });

  it('lets concurrent messages about the same unknown patient make one patient', async () => {
    const all = await Promise.all(
      Array.from({ length: 24 }, (_, i) =>
        writer.writer.submit(message(`C${i}`, [patient('3', 'Poe'), observation(`o3-${i}`, i)])),
      ),
    );
    expect(new Set(all.map((accepted) => accepted.results[0].id)).size).toBe(1);
    expect(new Set(all.map((accepted) => accepted.leaf)).size).toBe(24);
  });

  it('refuses what does not validate and writes nothing of it', async () => {
    const before = (await writer.pool.query('select size from log_head')).rows[0].size;
    const good = observation('o4', 1);
    const bad: Change = good.mode === 'delete' ? good : { ...good, set: { ...good.set, status: 'nonsense' } };
    await expect(writer.writer.submit(message('D1', [patient('4', 'Loe'), bad]))).rejects.toMatchObject({
      code: 'invalid-content',
    });
    expect((await writer.pool.query('select size from log_head')).rows[0].size).toBe(before);
  });

  it('signs every document, and jose opens every sealed group', async () => {
    const { rows } = await writer.pool.query<{ body: Buffer }>('select body from document');
    expect(rows.every((row) => verifyDocument(row.body, writer.keys.sign.publicKey))).toBe(true);
    const payloads = await writer.pool.query<{ lockbox: number; body: Buffer; digest: Buffer }>(
      'select lockbox, body, digest from payload limit 20',
    );
    for (const row of payloads.rows) {
      const boxes = await writer.keyring.byLeaf([row.lockbox as never]);
      const key = [...boxes.values()][0].key;
      const { plaintext, protectedHeader } = await compactDecrypt(compactOf(row.body), key);
      expect(protectedHeader).toMatchObject({ alg: 'A256KW', enc: 'A256GCM', zip: 'DEF' });
      expect(plaintext.length).toBeGreaterThan(0);
    }
    const kinds = new Set(rows.map((row) => parseDocument(row.body).typ));
    expect(kinds).toEqual(new Set(['secret', 'grant', 'manifest']));
  });
});
