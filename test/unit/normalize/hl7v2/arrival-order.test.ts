import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringifyFhirJson } from '../../../../src/formats/fhir/json.ts';
import { validateResource } from '../../../../src/formats/fhir/validate.ts';
import { MemoryRecord, oru, segment } from '../../../support/hl7v2.ts';

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
    // Organisms and their susceptibilities share codes: what they found tells them apart.
    const { valueQuantity, valueCodeableConcept }: any = resource;
    const found = String(valueQuantity?.value ?? valueCodeableConcept?.coding[0].code ?? '');
    names.set(
      `${resource.resourceType}/${resource.id}`,
      `${resource.resourceType}/${code?.coding[0].code ?? ''} ${resource.resourceType === 'Observation' ? found : ''}`,
    );
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

/** A culture and the susceptibilities of what it grew, each in messages of its own, as a laboratory goes on. */
describe('trap: microbiology in any order of arrival', () => {
  const at = (n: number): string => `2026030110${String(10 + n)}00+0100`;
  const head = (n: number): string[] => [
    `MSH|^~\\&|LAB|HOSP|GW|HOSP|${at(n)}||ORU^R01^ORU_R01|M${n}|P|2.5.1`,
    'PID|1||123^^^HOSP^MR||Doe^Jane||19800704|F',
  ];
  const obr = (n: number, fields: Readonly<Record<number, string>>): string =>
    segment('OBR', { 1: '1', 7: '20260301093000+0100', 22: at(n), 24: 'MB', ...fields });
  const culture = (n: number, status: string, organisms: readonly string[]): string[] => [
    obr(n, { 3: 'F1^LAB', 4: '600-7^Culture^LN', 25: status }),
    ...organisms.map((organism, i) => `OBX|${i + 1}|CWE|600-7^Culture^LN|${i + 1}|${organism}^x^SCT||||||${status}`),
  ];
  const child = (n: number, status: string, subId: string, drugs: Readonly<Record<string, string>>): string[] => [
    obr(n, {
      3: `S${subId}^LAB`,
      4: '50545-3^Susceptibility^LN',
      25: status,
      26: `600-7&Culture&LN^${subId}`,
      29: '^F1&LAB',
      50: '600-7^Culture^LN',
    }),
    ...Object.entries(drugs).map(([drug, value], i) => `OBX|${i + 1}|NM|${drug}^T^LN||${value}|mg/L|||||${status}`),
  ];
  const message = (n: number, ...orders: readonly string[][]): string => [...head(n), ...orders.flat(), ''].join('\r');
  const story = [
    message(1, culture(1, 'P', ['112283007'])),
    message(2, culture(2, 'F', ['112283007', '3092008'])),
    message(3, child(3, 'F', '1', { '28-1': '8', '12-5': '2' })),
    message(4, child(4, 'F', '2', { '28-1': '16' })),
    message(5, child(5, 'C', '1', { '28-1': '4' })),
    message(6, culture(6, 'C', ['112283007', '3092008'])),
    message(7, culture(7, 'C', ['112283007', '3092008']), child(7, 'C', '2', { '28-1': '32' })),
  ];

  it('property: culture, organisms, susceptibilities and their corrections, in part or whole, end in the same state', () => {
    const some = fc.subarray(
      story.map((_, i) => i),
      { minLength: 2 },
    );
    const arrivals = some.chain((chosen) =>
      fc.record({
        chosen: fc.constant(chosen),
        order: fc.shuffledSubarray(chosen, { minLength: chosen.length }),
      }),
    );
    fc.assert(
      fc.property(arrivals, ({ chosen, order }) => {
        expect(stateOf(order.map((i) => story[i]))).toEqual(stateOf(chosen.map((i) => story[i])));
      }),
      { numRuns: 400 },
    );
  });

  it('ends with each organism beside its own susceptibilities', () => {
    const record = new MemoryRecord(...story.toReversed());
    const organisms: any[] = record.all('Observation').filter(({ hasMember }) => hasMember !== undefined);
    expect(organisms.map(({ status, hasMember }) => [status, hasMember.length])).toEqual(
      expect.arrayContaining([
        ['corrected', 2],
        ['corrected', 1],
      ]),
    );
    expect(organisms).toHaveLength(2);
  });
});

/** Orders, what is carried out of them, and their ends: in each story every order of arrival ends in the same state. */
describe('trap: orders, prescriptions and vaccinations in any order of arrival', () => {
  const at = (n: number): string => `2026030110${String(10 + n)}00+0100`;
  const message = (type: string, n: number, ...segments: string[]): string =>
    [
      `MSH|^~\\&|EHR|HOSP|GW|HOSP|${at(n)}||${type}|M${n}|P|2.5.1`,
      'PID|1||123^^^HOSP^MR||Doe^Jane||19800704|F',
      ...segments,
      '',
    ].join('\r');
  const orc = (control: string, status = ''): string =>
    segment('ORC', { 1: control, 2: 'P1^EHR', 5: status, 12: 'D1^Ho^Ann^^^^^^HOSP' });
  const asked = (priority = ''): string => segment('OBR', { 1: '1', 2: 'P1^EHR', 4: '57021-8^CBC^LN', 5: priority });
  const report = (n: number, status: string, value: string, extra: readonly string[] = []): string =>
    message(
      'ORU^R01',
      n,
      ...extra,
      orc('RE'),
      segment('OBR', { 1: '1', 2: 'P1^EHR', 3: 'F1^LAB', 4: '57021-8^CBC^LN', 22: at(n), 25: status }),
      segment('OBX', {
        1: '1',
        2: 'NM',
        3: '718-7^Hb^LN',
        5: value,
        11: status,
        16: n === 3 ? 'D2^Lab^Lea^^^^^^HOSP' : '',
      }),
    );
  const rxe = (dose: string): string => segment('RXE', { 2: '2^prednisone^L', 3: dose, 5: 'mg', 6: 'TAB^Tablet^L' });
  const rxa = (count: string, action = ''): string =>
    segment('RXA', {
      1: '0',
      2: count,
      3: `2026030111${count}000+0100`,
      5: '2^prednisone^L',
      6: '20',
      7: 'mg',
      20: 'CP',
      21: action,
    });
  const vaccine = (n: number, lot: string, action: string): string =>
    message(
      'VXU^V04',
      n,
      'ORC|RE||I1^IIS',
      segment('RXA', {
        1: '0',
        2: '1',
        3: '20260301',
        5: '140^Influenza^CVX',
        6: '0.5',
        15: lot,
        20: 'CP',
        21: action,
      }),
    );

  const stories: Readonly<Record<string, readonly string[]>> = {
    'an order, its acceptance and its results': [
      message('ORM^O01', 1, orc('NW'), asked('S'), 'NTE|1||fasting'),
      message('ORM^O01', 2, orc('SC', 'IP'), asked()),
      report(3, 'P', '8.1', ['PV1|1|I|W1||||||||||||||||V1^^^HOSP^VN']),
      report(4, 'F', '8.2'),
    ],
    'an order that is changed and cancelled': [
      message('OML^O21', 1, orc('NW'), 'TQ1|1||BID', asked('S')),
      message('OML^O21', 2, orc('XO'), 'TQ1|1||TID', asked('R')),
      message('OML^O21', 3, orc('CA'), asked()),
      message('OML^O21', 4, orc('OC', 'CA'), asked()),
    ],
    'an order that is cancelled and has a result all the same': [
      message('ORM^O01', 1, orc('NW'), asked('S')),
      message('ORM^O01', 2, orc('OC', 'CA'), asked()),
      report(4, 'F', '8.2'),
    ],
    'a prescription, its dispense and its administrations': [
      message('RDE^O11', 1, orc('NW'), rxe('20'), 'TQ1|1||BID', 'RXR|PO^Oral^HL70162'),
      message(
        'RDS^O13',
        2,
        orc('RE'),
        segment('RXD', { 1: '1', 2: '2^prednisone^L', 3: '20260301', 4: '30', 7: 'RX9' }),
      ),
      message('RAS^O17', 3, orc('RE'), rxa('1')),
      message('RAS^O17', 4, orc('RE'), rxa('2')),
    ],
    'a prescription that is changed and stopped, and an administration that is taken back': [
      message('RDE^O11', 1, orc('NW'), rxe('20'), 'TQ1|1||BID'),
      message('RDE^O11', 2, orc('XO'), rxe('40'), 'TQ1|1||QD'),
      message('RDE^O11', 3, orc('DC'), rxe('40')),
      message('RAS^O17', 4, orc('RE'), rxa('1')),
      message('RAS^O17', 5, orc('RE'), rxa('1', 'D')),
    ],
    'a vaccination, its correction and its deletion': [
      vaccine(1, 'L1', 'A'),
      vaccine(2, 'L2', 'U'),
      vaccine(3, 'L2', 'D'),
    ],
  };

  it.each(Object.entries(stories))('%s', (_, messages) => {
    const want = stateOf(messages);
    for (const order of permutations(messages)) expect(stateOf(order)).toEqual(want);
  });

  it('a product that is contained in an overtaken statement does not stay without its reference', () => {
    const given = (n: number, lot: string): string =>
      message(
        'RAS^O17',
        n,
        orc('RE'),
        segment('RXA', { 1: '0', 2: '1', 3: '20260301110000+0100', 5: '2^prednisone^L', 6: '999', 15: lot }),
      );
    const late = new MemoryRecord(given(2, ''), given(1, 'L1')).one('MedicationAdministration');
    expect(validateResource(late)).toEqual([]);
    expect(late.contained).toBeUndefined();
  });

  it('a prescription that arrives after its dispense has its dose', () => {
    const [prescribed, dispensed] = stories['a prescription, its dispense and its administrations'];
    expect(new MemoryRecord(dispensed, prescribed).one('MedicationRequest')).toMatchObject({
      dosageInstruction: [{ timing: { repeat: { frequency: 2 } }, doseAndRate: [{ doseQuantity: { unit: 'mg' } }] }],
    });
  });
});

function permutations<T>(list: readonly T[]): T[][] {
  if (list.length < 2) return [[...list]];
  return list.flatMap((first, i) =>
    permutations([...list.slice(0, i), ...list.slice(i + 1)]).map((rest) => [first, ...rest]),
  );
}
