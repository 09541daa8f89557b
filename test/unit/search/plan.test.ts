import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StoredResource } from '../../../src/formats/fhir/resource.ts';
import { mapReferences } from '../../../src/formats/fhir/references.ts';
import { matches } from '../../../src/search/matches.ts';
import { parametersOf, visitValues, type SearchParameter } from '../../../src/search/parameters.ts';
import { planSearch, type Plan } from '../../../src/search/plan.ts';
import { parseQuery, type SearchQuery } from '../../../src/search/query.ts';
import { supportOf } from '../../../src/search/support.ts';
import { MemoryIndex } from './memory-index.ts';

function query(type: string, ...pairs: [string, string][]): SearchQuery {
  const parsed = parseQuery(type, pairs);
  if ('errors' in parsed) throw new Error(`${parsed.errors[0]?.parameter}: ${parsed.errors[0]?.message}`);
  return parsed.query;
}

function plan(type: string, ...pairs: [string, string][]): Plan {
  return planSearch(query(type, ...pairs));
}

describe('plans', () => {
  test('patient and code is one range of one token under the patient secret', () => {
    expect(plan('Observation', ['patient', 'Patient/1'], ['code', 'http://loinc.org|718-7'])).toEqual({
      kind: 'scan',
      patients: ['1'],
      branches: [
        {
          all: [{ secret: 'patient', anyOf: [['Observation', 'code', 'code', '718-7']], rank: 1 }],
          from: undefined,
          to: undefined,
        },
      ],
    });
  });

  test('patient alone is the patient and type', () => {
    const found = plan('Condition', ['patient', '1']);
    expect(found).toMatchObject({
      patients: ['1'],
      branches: [{ all: [{ secret: 'patient', anyOf: [['Condition', '_type', 'type']] }] }],
    });
  });

  test('a date range narrows the sort time, and what is longer than a month has a branch of its own', () => {
    const found = plan('Observation', ['patient', '1'], ['date', 'ge2024-03-01'], ['date', 'lt2024-04-01']);
    expect(found).toMatchObject({
      branches: [
        { from: Date.UTC(2024, 1, 1) - 86_400_000 * 1, to: Date.UTC(2024, 3, 1) },
        { all: [{ secret: 'patient', anyOf: [['Observation', '_type', 'long']] }], from: undefined, to: undefined },
      ],
    });
  });

  test('two patients that exclude each other, a group as subject and no id at all find nothing', () => {
    expect(plan('Observation', ['patient', '1'], ['patient', '2'])).toEqual({ kind: 'nothing' });
    expect(plan('Observation', ['subject', 'Group/1'])).toEqual({ kind: 'nothing' });
    expect(plan('Patient', ['_id', '1'], ['_id', '2'])).toEqual({ kind: 'nothing' });
    expect(plan('Observation', ['patient', '1,2'], ['subject', 'Patient/2'])).toMatchObject({ patients: ['2'] });
  });

  test('ids are read without the index', () => {
    expect(plan('Patient', ['_id', 'a,b'], ['gender', 'male'])).toEqual({ kind: 'ids', ids: ['a', 'b'] });
  });

  test('gender, birth date, address and short names alone would read everybody', () => {
    const refused = { kind: 'refused', code: 'too-costly' };
    expect(plan('Patient', ['gender', 'female'])).toMatchObject(refused);
    expect(plan('Patient', ['birthdate', '1970-01-01'])).toMatchObject(refused);
    expect(plan('Patient', ['gender', 'female'], ['birthdate', '1970-01-01'])).toMatchObject(refused);
    expect(plan('Patient', ['address-city', 'Boston'])).toMatchObject(refused);
    expect(plan('Patient', ['telecom', '555'])).toMatchObject(refused);
    expect(plan('Patient', ['name', 'Li'])).toMatchObject(refused);
    expect(plan('Patient', ['name:contains', 'smith'])).toMatchObject(refused);
    expect(plan('Observation', ['component-code', '8480-6'])).toMatchObject(refused);
    expect(plan('Observation', ['value-quantity', 'gt1'])).toMatchObject(refused);
    expect(plan('Observation', ['code:not', 'x'])).toMatchObject(refused);
  });

  test('a name with a birth date is one compound; with a gender the name decides', () => {
    expect(plan('Patient', ['birthdate', '1970-01-02'], ['name', 'Müller'])).toMatchObject({
      branches: [
        {
          all: [
            { anyOf: [['Patient', 'name+birthdate', 'prefix', 'mul', '1970-01-02']] },
            { anyOf: [['Patient', 'name', 'prefix', 'muller']] },
          ],
        },
      ],
    });
    expect(plan('Patient', ['gender', 'male'], ['family', "O'Br"])).toMatchObject({
      branches: [{ all: [{ anyOf: [['Patient', 'name', 'prefix', 'obr']] }] }],
    });
    expect(plan('Patient', ['name', '王'])).toMatchObject({ kind: 'scan' });
  });

  test('a type alone, by date alone, and the directory by any parameter are scans by time', () => {
    expect(plan('Observation')).toMatchObject({ kind: 'scan', patients: undefined });
    expect(plan('Observation', ['date', 'ge2024-01-01'])).toMatchObject({ kind: 'scan' });
    expect(plan('Practitioner', ['active', 'true'])).toMatchObject({ kind: 'scan' });
    expect(plan('Encounter', ['date', '2024-05'], ['reason-code', 'x'])).toMatchObject({ kind: 'scan' });
    expect(plan('Encounter', ['date', '2024'], ['reason-code', 'x'])).toMatchObject({ kind: 'refused' });
  });
});

/** Searches that the resources themselves suggest: their own values, nearby ones, in all forms. */
function suggestions(parameter: SearchParameter, resources: readonly StoredResource[]): string[] {
  const values = new Set<string>();
  for (const path of parameter.paths) {
    for (const resource of resources) {
      visitValues(resource, path, (value) => {
        const json = JSON.stringify(value);
        const field = (name: string): string | undefined =>
          new RegExp(`"${name}":"((?:[^"\\\\]|\\\\.)*)"`).exec(json)?.[1];
        const code = field('code') ?? (path.kind === 'Identifier' ? field('value') : undefined);
        if (parameter.type === 'token') {
          if (typeof value === 'string' || typeof value === 'boolean') values.add(String(value));
          if (code !== undefined) {
            const system = field('system') ?? '';
            for (const text of [code, `${system}|${code}`, `|${code}`, `${system}|`])
              if (text !== '|') values.add(text);
          }
        } else if (parameter.type === 'reference') {
          const reference = field('reference') ?? (typeof value === 'string' ? value : undefined);
          if (reference !== undefined) values.add(reference).add(reference.split('/').at(-1) ?? '');
        } else if (parameter.type === 'date') {
          for (const text of json.match(/\d{4}(?:-\d\d(?:-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d))?)?)?/g) ?? []) {
            for (const prefix of ['', 'gt', 'ge', 'lt', 'le', 'sa', 'eb', 'ne']) {
              for (const length of [4, 7, 10, text.length]) values.add(prefix + text.slice(0, length));
            }
          }
        } else if (parameter.type === 'string') {
          for (const [, text = ''] of json.matchAll(/"([^"\\]{2,})"(?!:)/g))
            values.add(text).add(text.slice(0, 4)).add(text.toUpperCase());
        } else if (parameter.type === 'quantity' || parameter.type === 'number') {
          for (const text of json.match(/-?\d+(?:\.\d+)?/g) ?? []) {
            for (const prefix of ['', 'gt', 'ge', 'lt', 'le', 'sa', 'eb', 'ne']) {
              values.add(prefix + text).add(prefix + Number(text).toPrecision(2));
            }
          }
        } else if (typeof value === 'string') values.add(value);
      });
    }
  }
  return [...values].filter((value) => value !== '').map((value) => value.replaceAll(/[\\,$]/g, String.raw`\$&`));
}

interface Tally {
  asked: number;
  hits: number;
  refused: number;
}

/** Asks, and compares with a scan of everything; a refusal is only counted. */
function compare(index: MemoryIndex, asked: SearchQuery, tally: Tally): void {
  const found = planSearch(asked);
  tally.asked += 1;
  if (found.kind === 'refused') {
    tally.refused += 1;
    return;
  }
  const expected = index.resources.filter((resource) => matches(resource, asked));
  tally.hits += expected.length;
  for (const deep of [false, true]) {
    const candidates = index.candidates(found, deep);
    const missed = expected.filter((resource) => !candidates.has(resource));
    if (missed.length > 0) throw new Error(`missed ${JSON.stringify(missed[0])} by ${JSON.stringify(asked)}`);
  }
}

const pairsOf = (type: string, resources: readonly StoredResource[]): [string, string][] =>
  [...parametersOf(type).values()]
    .filter((parameter) => supportOf(type, parameter) !== undefined)
    .flatMap((parameter) =>
      suggestions(parameter, resources).map((value): [string, string] => [parameter.name, value]),
    );

/** Every suggestion alone, and random pairs of them, with and without a patient. */
function askEverything(index: MemoryIndex, types: Iterable<string>, pairs: number): Tally {
  const tally: Tally = { asked: 0, hits: 0, refused: 0 };
  let state = 1;
  const pick = <T>(items: readonly T[]): T => {
    state = (state * 48_271) % 2_147_483_647;
    return items[state % items.length] as T;
  };
  for (const type of types) {
    const resources = index.resources.filter((resource) => resource.resourceType === type);
    const all = pairsOf(type, resources);
    const patients = all.filter(([name]) => name === 'patient');
    for (const pair of all.length > 3000 ? Array.from({ length: 3000 }, () => pick(all)) : all)
      compare(index, query(type, pair), tally);
    for (let at = 0; at < pairs && all.length > 0; at += 1) {
      const some = [pick(all), pick(all)];
      if (patients.length > 0 && at % 2 === 0) some.push(pick(patients));
      compare(index, query(type, ...some), tally);
      const [name, value] = pick(all);
      const others = all.filter((pair) => pair[0] === name);
      compare(index, query(type, [name, `${value},${pick(others)[1]}`]), tally);
    }
  }
  return tally;
}

const codes = fc.constantFrom('718-7', '2345-7', 'A,b|c', 'final');
const systems = fc.constantFrom('http://loinc.org', 'urn:local', undefined);
const coding = fc.record({ system: systems, code: fc.option(codes, { nil: undefined }) });
const concept = fc.record({ coding: fc.array(coding, { maxLength: 2 }) });
const dates = fc.constantFrom(
  '2023',
  '2024',
  '2024-02',
  '2024-03',
  '2024-02-29',
  '2024-03-01',
  '1899-05-05',
  '2101-01-01',
);
const times = fc.constantFrom(
  '2024-02-29T23:30:00-05:00',
  '2024-03-01T00:00:00Z',
  '2024-03-01T10:00:00.5Z',
  '2023-12-31T23:59:59+14:00',
);
const moment = fc.oneof(dates, times);
const period = fc.record({ start: moment, end: moment }, { requiredKeys: [] });
const quantity = fc.record(
  {
    value: fc.constantFrom(0, 5, 5.4, -5, 99, 1e12, 1e-9, 250),
    comparator: fc.constantFrom('<', '>='),
    code: fc.constant('mg'),
  },
  { requiredKeys: ['value'] },
);
const reference = fc.record({
  reference: fc.constantFrom('Encounter/1', 'Encounter/2', 'http://other.example/Encounter/1', '#c', 'urn:oid:1.2'),
});
const patient = fc.record({ reference: fc.constantFrom('Patient/1', 'Patient/2') });
const stored = (type: string) => ({
  resourceType: fc.constant(type),
  id: fc.uuid(),
  meta: fc.record({ versionId: fc.constant('1'), lastUpdated: times.filter((time) => time.endsWith('Z')) }),
});
const observation = fc.record(
  {
    ...stored('Observation'),
    status: fc.constantFrom('final', 'amended'),
    category: fc.array(concept, { maxLength: 2 }),
    code: concept,
    subject: patient,
    encounter: reference,
    effectiveDateTime: moment,
    valueQuantity: quantity,
  },
  { requiredKeys: ['resourceType', 'id', 'meta', 'subject'] },
);
const encounter = fc.record(
  {
    ...stored('Encounter'),
    subject: patient,
    class: coding,
    period,
    location: fc.array(fc.record({ location: reference, period }), { maxLength: 2 }),
  },
  { requiredKeys: ['resourceType', 'id', 'meta', 'subject'] },
);
const condition = fc.record(
  { ...stored('Condition'), subject: patient, code: concept, onsetPeriod: period, recordedDate: moment },
  { requiredKeys: ['resourceType', 'id', 'meta', 'subject'] },
);
const report = fc.record(
  { ...stored('ServiceRequest'), subject: patient, code: concept, authoredOn: moment, occurrencePeriod: period },
  { requiredKeys: ['resourceType', 'id', 'meta', 'subject'] },
);
const person = fc.record(
  {
    ...stored('Patient'),
    identifier: fc.array(fc.record({ system: systems, value: codes }), { maxLength: 2 }),
    name: fc.array(
      fc.record(
        {
          family: fc.constantFrom(
            'Müller',
            'Li',
            "O'Brien",
            '王小明',
            'Featherstonehaugh-Cholmondeley',
            'García Márquez',
          ),
          given: fc.array(fc.constantFrom('Ana', 'Åsa', 'Jo', 'Bartholomew'), { minLength: 1, maxLength: 2 }),
        },
        { requiredKeys: [] },
      ),
      { maxLength: 2 },
    ),
    birthDate: fc.constantFrom('1970-01-01', '1970-01', '1970-01-02'),
    gender: fc.constantFrom('male', 'female'),
  },
  { requiredKeys: ['resourceType', 'id', 'meta'] },
);

test('every match of a scan is found by plan and index', () => {
  const tally: Tally = { asked: 0, hits: 0, refused: 0 };
  fc.assert(
    fc.property(
      fc.array(fc.oneof(observation, encounter, condition, report, person), { minLength: 5, maxLength: 12 }),
      (resources) => {
        const index = new MemoryIndex();
        for (const resource of resources) index.add(JSON.parse(JSON.stringify(resource)) as StoredResource);
        const types = new Set(index.resources.map((resource) => resource.resourceType));
        const one = askEverything(index, types, 20);
        tally.asked += one.asked;
        tally.hits += one.hits;
      },
    ),
    { numRuns: 60 },
  );
  expect(tally.asked).toBeGreaterThan(3_000);
  expect(tally.hits).toBeGreaterThan(2_000);
});

const corpora = process.env.CORPORA_DIR;
if (!corpora) console.log('CORPORA_DIR is not set: the Synthea searches are skipped');

describe.skipIf(!corpora)('on the Synthea bundles', () => {
  test('every match of a scan is found by plan and index', () => {
    const folder = join(corpora ?? '', 'fhir/synthea');
    const index = new MemoryIndex();
    for (const file of readdirSync(folder).slice(0, 3)) {
      const bundle = JSON.parse(readFileSync(join(folder, file), 'utf8')) as {
        entry: { fullUrl: string; resource: StoredResource }[];
      };
      const names = new Map(
        bundle.entry.map(({ fullUrl, resource }) => [fullUrl, `${resource.resourceType}/${resource.id}`]),
      );
      for (const { resource } of bundle.entry) {
        const linked = mapReferences(resource, (reference) => names.get(reference) ?? reference);
        index.add({ ...linked, meta: { ...linked.meta, versionId: '1', lastUpdated: '2024-01-01T00:00:00Z' } });
      }
    }
    const types = new Set(index.resources.map((resource) => resource.resourceType));
    const tally = askEverything(index, types, 100);
    console.log(`Synthea: ${tally.asked} searches, ${tally.hits} hits, ${tally.refused} refused as too costly`);
    expect(tally.hits).toBeGreaterThan(10_000);
  });
});

describe.skipIf(!corpora)('the searches that US Core demands', () => {
  const samples: Record<string, string> = {
    date: 'ge2024-01-01',
    token: 'x|y',
    reference: 'Patient/1',
    string: 'Boston',
    quantity: '1',
    number: '1',
    uri: 'x',
  };

  test('are all taken and planned', () => {
    const text = readFileSync(join(corpora ?? '', 'fhir/us-core/shall-searches.txt'), 'utf8');
    let count = 0;
    for (const [, type = '', searches = ''] of text.matchAll(/^([A-Z]\w+): (.+)$/gm)) {
      for (const search of searches.split('|').map((one) => one.trim())) {
        const pairs = search
          .split('+')
          .map((name): [string, string] => [
            name,
            name === '_id' ? 'x' : (samples[parametersOf(type).get(name)?.type ?? ''] ?? 'x'),
          ]);
        expect(plan(type, ...pairs).kind, `${type} ${search}`).toMatch(/scan|ids/);
        count += 1;
      }
    }
    expect(count).toBeGreaterThan(60);
  });
});
