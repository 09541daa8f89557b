/** A message of many records: what it costs in index rows. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Change } from '../../../src/formats/fhir/change.ts';
import { openTestWriter, type TestWriter } from '../../support/writer.ts';

let writer: TestWriter;
beforeAll(async () => {
  writer = await openTestWriter();
});
afterAll(() => writer.close());

const CODES = 50;

const results = (count: number): Change[] => [
  {
    mode: 'merge',
    type: 'Patient',
    keys: [['identifier', 'urn:mrn', '1']],
    sourceTime: 1,
    set: { resourceType: 'Patient' },
  },
  ...Array.from({ length: count }, (_, i): Change => ({
    mode: 'merge',
    type: 'Observation',
    keys: [['filler', 'lab', `${i}`]],
    sourceTime: 1,
    set: {
      resourceType: 'Observation',
      status: 'final',
      code: { coding: [{ system: 'http://loinc.org', code: `${i % CODES}-1` }] },
      subject: { reference: 'change:0' },
      effectiveDateTime: '2026-03-01T12:00:00Z',
    },
  })),
];

it('results of one code share index rows, in whatever order they were sent', async () => {
  const accepted = await writer.writer.submit({
    kind: 'hl7v2',
    source: 'lab',
    control: 'many',
    receivedAt: 1_800_000_000_000,
    sourceTime: 1,
    details: {},
    changes: results(1_000),
  });
  expect(accepted.results).toHaveLength(1_001);
  expect(new Set(accepted.results.map(({ group }) => group)).size).toBeGreaterThan(10);
  const { rows } = await writer.pool.query<{ tokens: number }>('select count(*)::int as tokens from token');
  // In the order of the sender every group of 64 would have all 50 codes, with 4 rows each: 16 x 200 and more.
  expect(rows[0].tokens).toBeLessThan(1_000);
  const { rows: records } = await writer.pool.query<{ lines: number }>(
    'select count(distinct (grp, line))::int as lines from record',
  );
  expect(records[0].lines).toBe(1_001);
});
