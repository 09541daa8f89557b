import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringifyFhirJson } from '../../../../src/formats/fhir/json.ts';
import { validateResource } from '../../../../src/formats/fhir/validate.ts';
import { MemoryRecord, oru } from '../../../support/hl7v2.ts';

/** One report as a laboratory sends it: its status, and some of its results. */
interface Statement {
  readonly status: string;
  readonly results: readonly {
    readonly code: number;
    readonly value: string;
    readonly flag: string;
    readonly label: string;
  }[];
}

/** The n-th statement of a report: later ones have a later OBR-22. */
function message({ status, results }: Statement, n: number): string {
  const time = `2026030110${String(10 + n)}00+0100`;
  const obx = results.map(({ code, value, flag, label }, i) => {
    const type = /^\d/.test(value) ? 'NM' : 'ST';
    return `OBX|${i + 1}|${type}|${code}^T${code}^L||${value}|g|1-9|${flag}|||${status}||${label}`;
  });
  return oru({ controlId: `C${n}`, msh7: time, obr22: time, status: 'UDW'.includes(status) ? 'C' : status, obx });
}

/** What a record holds, however its ids and lists came about. */
function stateOf(messages: readonly string[]): unknown {
  const record = new MemoryRecord(...messages);
  const names = new Map<string, string>();
  for (const resource of record.all()) {
    const code: any = resource.code;
    names.set(`${resource.resourceType}/${resource.id}`, `${resource.resourceType}/${code?.coding[0].code ?? ''}`);
    expect(validateResource(resource)).toEqual([]);
  }
  const texts = record.all().map((resource) => {
    const { id: _id, ...content } = resource;
    const json: unknown = JSON.parse(
      stringifyFhirJson(content).replace(/(?<="reference":")[^"]+/g, (reference) => names.get(reference) ?? 'loose'),
    );
    return JSON.stringify(sorted(json));
  });
  return texts.toSorted();
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value))
    return value.map(sorted).toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => [name, sorted(member)]),
  );
}

const result = fc.record({
  code: fc.integer({ min: 1, max: 4 }),
  value: fc.constantFrom('1.', '8.5', '12.', 'haemolysed'),
  flag: fc.constantFrom('', 'H', 'L'),
  label: fc.constantFrom('', '', 'PSY'),
});
const results = fc.uniqueArray(result, { minLength: 1, maxLength: 4, selector: ({ code }) => code });
const valued = fc.record({ status: fc.constantFrom('P', 'R', 'F', 'C', 'X'), results });

/** As laboratories go on: a status never goes back, and no two statements say the very same of a result. */
const course = fc.array(valued, { minLength: 2, maxLength: 5 }).map((list) =>
  list
    .toSorted((a, b) => 'PRFCX'.indexOf(a.status) - 'PRFCX'.indexOf(b.status))
    .map((statement, n) => ({
      ...statement,
      results: statement.results.map((each) => ({
        ...each,
        ...(statement.status === 'X' ? { value: '', flag: '' } : { value: `${each.value}${n}` }),
      })),
    })),
);
const bare = fc.record({
  status: fc.constantFrom('U', 'D', 'W'),
  results: fc.uniqueArray(
    fc.record({
      code: fc.integer({ min: 1, max: 4 }),
      value: fc.constant(''),
      flag: fc.constant(''),
      label: fc.constant(''),
    }),
    { minLength: 1, maxLength: 4, selector: ({ code }) => code },
  ),
});

const shuffled = (statements: fc.Arbitrary<Statement[]>): fc.Arbitrary<{ statements: Statement[]; order: number[] }> =>
  statements.chain((list) =>
    fc.record({
      statements: fc.constant(list),
      order: fc.shuffledSubarray(
        list.map((_, i) => i),
        { minLength: list.length },
      ),
    }),
  );

const check = ({ statements, order }: { statements: Statement[]; order: number[] }): void => {
  const messages = statements.map(message);
  expect(stateOf(order.map((i) => messages[i]))).toEqual(stateOf(messages));
};

describe('trap: corrections and late preliminary results in any order of arrival', () => {
  it('property: preliminary, final, corrected and cancelled statements end in the same state', () => {
    fc.assert(fc.property(shuffled(course), check), { numRuns: 400 });
  });

  it('property: a status without a value (U, D, W) that overtakes its result ends in the same state', () => {
    fc.assert(fc.property(shuffled(fc.tuple(valued, bare)), check), { numRuns: 300 });
  });

  it('a label of an overtaken result is not lost', () => {
    const first = message({ status: 'P', results: [{ code: 1, value: '1.0', flag: '', label: 'PSY' }] }, 1);
    const second = message({ status: 'F', results: [{ code: 1, value: '2.0', flag: '', label: '' }] }, 2);
    expect(new MemoryRecord(second, first).one('Observation')).toMatchObject({
      status: 'final',
      valueQuantity: { unit: 'g' },
      meta: { security: [{ code: 'PSY' }] },
    });
  });

  it('a result that only the overtaken report names stays in the report', () => {
    const both = [1, 2].map((code) => ({ code, value: '1.0', flag: '', label: '' }));
    const late = message({ status: 'P', results: both }, 1);
    const final = message({ status: 'F', results: both.slice(0, 1) }, 2);
    expect(new MemoryRecord(final, late).one('DiagnosticReport').result).toHaveLength(2);
  });
});
