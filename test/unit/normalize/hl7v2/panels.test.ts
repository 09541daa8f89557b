import { expect, it } from 'vitest';
import { OMISSIONS_MAX, PANEL_MAX_RESULTS } from '../../../../src/core/limits.ts';
import { defects, MemoryRecord, normalize, oru } from '../../../support/hl7v2.ts';

const results = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `OBX|${i + 1}|NM|718-7^Haemoglobin^LN|${i}|14.${i % 10}|g/dL|||||F`);

it('names up to 2,000 results in the report itself', () => {
  const record = new MemoryRecord(oru({ obx: results(PANEL_MAX_RESULTS) }));
  expect(record.one('DiagnosticReport').result).toHaveLength(PANEL_MAX_RESULTS);
});

it('names more by panels, each result once, and the same again when it comes again', () => {
  const count = 2 * PANEL_MAX_RESULTS + 1;
  const record = new MemoryRecord(oru({ obx: results(count) }));
  expect(defects(record)).toEqual([]);
  const named = record.one('DiagnosticReport').result.map(({ reference }: { reference: string }) => reference);
  expect(named).toHaveLength(3);
  const panels = record.all('Observation').filter(({ hasMember }) => hasMember !== undefined);
  expect(panels.map((panel) => `Observation/${panel.id}`)).toEqual(named);
  const members = panels.flatMap(({ hasMember }) => hasMember as { reference: string }[]);
  expect(new Set(members.map(({ reference }) => reference)).size).toBe(count);
  expect(panels[0]).toMatchObject({ status: 'final', code: { coding: [{ code: '57021-8' }] } });
  expect(panels[0].valueQuantity).toBeUndefined();

  record.take(oru({ obx: results(count), controlId: 'C2', msh7: '20260301130000+0100' }));
  expect(record.all('Observation')).toHaveLength(count + 3);
  expect(record.versions(panels[0])).toBe(1);
});

it('reports the first 1,000 things that were left out of a message', () => {
  const obx = Array.from({ length: OMISSIONS_MAX + 5 }, (_, i) => `OBX|${i + 1}|DT|718-7^x^LN|${i}|yesterday||||||F`);
  expect(normalize(oru({ obx })).details.omissions).toHaveLength(OMISSIONS_MAX);
});
