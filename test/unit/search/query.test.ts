import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { searchParameters } from '../../../src/search/capability.ts';
import { parametersOf } from '../../../src/search/parameters.ts';
import { parseQuery, type QueryOptions } from '../../../src/search/query.ts';

const parse = (type: string, text: string, options?: QueryOptions) =>
  parseQuery(type, new URLSearchParams(text), options);

const operands = (type: string, text: string, options?: QueryOptions) => {
  const parsed = parse(type, text, options);
  if ('errors' in parsed) throw new Error(JSON.stringify(parsed.errors));
  return parsed.query.criteria.map((criterion) => criterion.anyOf);
};

const errors = (type: string, text: string) => {
  const parsed = parse(type, text);
  return 'errors' in parsed
    ? parsed.errors.map(({ code, parameter, message }) => `${parameter} ${code}: ${message}`)
    : [];
};

describe('parseQuery', () => {
  test('tokens in their four forms, escapes, OR and AND', () => {
    const token = { kind: 'token' };
    expect(operands('Observation', 'code=http://loinc.org|718-7,718-7&code=|x&code=http://loinc.org|')).toEqual([
      [
        { ...token, form: 'both', system: 'http://loinc.org', code: '718-7' },
        { ...token, form: 'bare', system: '', code: '718-7' },
      ],
      [{ ...token, form: 'no-system', system: '', code: 'x' }],
      [{ ...token, form: 'system', system: 'http://loinc.org', code: '' }],
    ]);
    expect(operands('Observation', String.raw`code=a\,b\|c\\,d\$`)).toEqual([
      [
        { ...token, form: 'bare', system: '', code: String.raw`a,b|c` + '\\' },
        { ...token, form: 'bare', system: '', code: 'd$' },
      ],
    ]);
  });

  test('references: typed, bare, absolute, of this server, with a version', () => {
    const options = { baseUrl: 'https://here.example/fhir' };
    const id = { kind: 'reference', type: 'Patient', id: '1' };
    expect(operands('Observation', 'patient=Patient/1', options)).toMatchObject([[id]]);
    expect(operands('Observation', 'patient=1', options)).toMatchObject([[{ id: '1', type: undefined }]]);
    expect(operands('Observation', 'subject:Patient=1', options)).toMatchObject([[id]]);
    expect(operands('Observation', 'patient=https://here.example/fhir/Patient/1', options)).toMatchObject([[id]]);
    expect(operands('Observation', 'patient=https://else.example/fhir/Patient/1', options)).toMatchObject([
      [{ id: undefined }],
    ]);
    expect(operands('Observation', 'encounter=Encounter/1/_history/2')).toMatchObject([[{ id: '1' }]]);
  });

  test('dates are ranges; a + that became a space is a zone', () => {
    expect(operands('Observation', 'date=ge2024-05')).toEqual([
      [{ kind: 'date', comparator: 'ge', interval: { low: Date.UTC(2024, 4), high: Date.UTC(2024, 5) } }],
    ]);
    expect(operands('Observation', 'date=2024-05-01T10:00:00+02:00')).toMatchObject([
      [{ interval: { low: Date.UTC(2024, 4, 1, 8) } }],
    ]);
  });

  test('quantities with precision and unit', () => {
    expect(operands('Observation', 'value-quantity=5.40|http://unitsofmeasure.org|mg')).toMatchObject([
      [{ kind: 'quantity', comparator: 'eq', value: 5.4, system: 'http://unitsofmeasure.org', code: 'mg' }],
    ]);
    expect(operands('Observation', 'value-quantity=gt100||mg')).toMatchObject([[{ low: 99.5, high: 100.5 }]]);
  });

  test('ids, count, total and cursor', () => {
    expect(parse('Patient', '_id=a,b&_id=b&_count=9999&_total=accurate&_cursor=x&_format=json')).toMatchObject({
      query: { ids: ['b'], count: 500, total: 'accurate', cursor: 'x', criteria: [] },
    });
    expect(parse('Patient', '')).toMatchObject({ query: { ids: undefined, count: 50, cursor: undefined } });
  });

  test('what is not supported is an error that names it, all at once', () => {
    expect(
      errors(
        'Observation',
        'colour=red&_sort=date&code:in=x&patient.name=x&_has:a:b:c=1&code-value-quantity=1&_count=0',
      ),
    ).toEqual([
      'colour not-supported: is not a search parameter of Observation',
      '_sort not-supported: is not supported',
      'code:in not-supported: modifier :in is not supported here',
      'patient.name not-supported: chained parameters are not supported',
      '_has:a:b:c not-supported: reverse chains are not supported',
      'code-value-quantity not-supported: is not supported for Observation',
      '_count invalid-syntax: must be a number from 1 to 500',
    ]);
    expect(errors('Observation', 'date=ap2024')).toHaveLength(1);
    expect(errors('Observation', 'date=yesterday')).toHaveLength(1);
    expect(errors('Observation', 'date=2024-13')).toHaveLength(1);
    expect(errors('Observation', 'code=')).toHaveLength(1);
    expect(errors('Observation', 'code=a,,b')).toHaveLength(1);
    expect(errors('Observation', 'code=|')).toHaveLength(1);
    expect(errors('Observation', 'value-quantity=much')).toHaveLength(1);
    expect(errors('Observation', '_count=1&_count=2')).toHaveLength(1);
    expect(errors('Observation', 'subject:missing=maybe')).toHaveLength(1);
    expect(errors('Observation', 'status:exact=final')).toHaveLength(1);
    expect(errors('Nothing', '')).toHaveLength(1);
    expect(errors('Patient', 'phonetic=x')).toHaveLength(1);
    expect(errors('Location', 'near=1|2')).toHaveLength(1);
  });

  test('no value and no odd name gets into a message', () => {
    const secret = 'Zebulon';
    const said = errors(
      'Observation',
      `date=${secret}&value-quantity=${secret}&John Zebulon=1&_count=${secret}&code:${secret} x=1`,
    );
    expect(said.join()).not.toContain(secret);
    expect(said).toHaveLength(5);
  });

  test('never throws', () => {
    const names = [
      ...parametersOf('Observation').keys(),
      ...parametersOf('Patient').keys(),
      '_id',
      '_count',
      '_cursor',
    ];
    fc.assert(
      fc.property(
        fc.constantFrom('Observation', 'Patient'),
        fc.array(fc.tuple(fc.oneof(fc.constantFrom(...names), fc.string()), fc.string())),
        (type, pairs) => {
          parseQuery(type, pairs);
        },
      ),
    );
  });
});

describe('searchParameters', () => {
  test('lists what parseQuery takes, and nothing else', () => {
    const values: Record<string, string> = { date: '2024', number: '1', quantity: '1' };
    for (const type of ['Patient', 'Observation', 'Encounter', 'Organization', 'Bundle', 'Location', 'Task']) {
      const listed = new Set(searchParameters(type).map(({ name }) => name));
      for (const parameter of parametersOf(type).values()) {
        const taken = 'query' in parseQuery(type, [[parameter.name, values[parameter.type] ?? 'x']]);
        expect(listed.has(parameter.name), `${type}.${parameter.name}`).toBe(taken);
      }
    }
  });

  test('the promised ones are there', () => {
    const names = (type: string): string[] => searchParameters(type).map(({ name }) => name);
    expect(names('Observation')).toEqual(
      expect.arrayContaining(['_id', 'identifier', 'patient', 'subject', 'code', 'date', 'category', 'status']),
    );
    expect(names('Patient')).toEqual(expect.arrayContaining(['_id', 'identifier', 'name', 'birthdate', 'gender']));
    expect(names('Organization')).toEqual(expect.arrayContaining(['name', 'address']));
  });
});
