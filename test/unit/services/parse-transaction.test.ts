import { describe, expect, it } from 'vitest';
import { parseTransaction } from '../../../src/services/parse-transaction.ts';

const LIMITS = { entries: 10, base: 'https://gateway.example/fhir' };
const parse = (entry: unknown): readonly any[] =>
  parseTransaction({ resourceType: 'Bundle', type: 'transaction', entry }, LIMITS, 1000);
const patient = { resourceType: 'Patient', name: [{ family: 'A' }] };
const flag = (reference: string): object => ({
  resourceType: 'Flag',
  status: 'active',
  code: { text: 'x' },
  subject: { reference },
});
const post = (fullUrl: string | undefined, resource: any): object => ({
  ...(fullUrl === undefined ? {} : { fullUrl }),
  resource,
  request: { method: 'POST', url: resource.resourceType },
});

describe('references between entries', () => {
  it('by urn:uuid, in any order', () => {
    const urn = 'urn:uuid:5f0c2c10-6d1d-4a1b-9a30-2f1b5a3a0001';
    const [first, second] = parse([post(undefined, flag(urn)), post(urn, patient)]);
    expect(first.set.subject.reference).toBe('change:1');
    expect(second.keys).toEqual([]);
  });

  it('by full URL, and relative to the full URL of the entry that they stand in', () => {
    const base = 'http://other.example/r4';
    const [absolute, relative, foreign] = parse([
      post(`${base}/Flag/1`, flag(`${base}/Patient/7`)),
      post(`${base}/Flag/2`, flag('Patient/7')),
      post('http://third.example/r4/Flag/3', flag('Patient/7')),
      post(`${base}/Patient/7`, patient),
    ]);
    expect(absolute.set.subject.reference).toBe('change:3');
    expect(relative.set.subject.reference).toBe('change:3');
    expect(foreign.set.subject.reference).toBe('Patient/7');
  });

  it('leaves other references alone', () => {
    const [only] = parse([post(undefined, flag('Patient/elsewhere'))]);
    expect(only.set.subject.reference).toBe('Patient/elsewhere');
  });
});

describe('entries', () => {
  it('become changes with ids, versions and the keys of identifiers', () => {
    const identified = { ...patient, identifier: [{ system: 'urn:mrn', value: '1' }, { value: 'no system' }] };
    const [created, updated, deleted] = parse([
      post(undefined, { ...identified, id: 'ignored' }),
      {
        resource: { ...identified, id: 'p2' },
        request: { method: 'PUT', url: `${LIMITS.base}/Patient/p2`, ifMatch: 'W/"4"' },
      },
      { request: { method: 'DELETE', url: 'Patient/p3' } },
    ]);
    expect(created).toMatchObject({ mode: 'replace', type: 'Patient', keys: [['identifier', 'urn:mrn', '1']] });
    expect(created.id).toBeUndefined();
    expect(created.set.id).toBeUndefined();
    expect(updated).toMatchObject({ mode: 'replace', id: 'p2', ifVersion: '4' });
    expect(deleted).toMatchObject({ mode: 'delete', id: 'p3', keys: [] });
  });

  it.each([
    ['no request', [{ resource: patient }], 'Bundle.entry[0].request'],
    ['a null', [null], 'Bundle.entry[0].request'],
    ['an unknown method', [{ request: { method: 'BREW', url: 'Patient' } }], 'Bundle.entry[0].request.method'],
    [
      'another type than the URL',
      [{ resource: patient, request: { method: 'POST', url: 'Flag' } }],
      'Bundle.entry[0].resource',
    ],
    [
      'another id than the URL',
      [{ resource: patient, request: { method: 'PUT', url: 'Patient/1' } }],
      'Bundle.entry[0].resource.id',
    ],
    [
      'an id on POST',
      [{ resource: patient, request: { method: 'POST', url: 'Patient/1' } }],
      'Bundle.entry[0].request.url',
    ],
    ['a bad id', [{ request: { method: 'DELETE', url: 'Patient/a b' } }], 'Bundle.entry[0].request.url'],
    ['a history URL', [{ request: { method: 'DELETE', url: 'Patient/1/_history/2' } }], 'Bundle.entry[0].request.url'],
    [
      'a resource on DELETE',
      [{ resource: patient, request: { method: 'DELETE', url: 'Patient/1' } }],
      'Bundle.entry[0].resource',
    ],
  ])('are refused with %s', (_name, entry, expression) => {
    expect(() => parse(entry)).toThrow(expect.objectContaining({ expression }));
  });

  it('are bounded', () => {
    expect(() => parse(Array.from({ length: 11 }, () => post(undefined, patient)))).toThrow(
      expect.objectContaining({ code: 'too-large' }),
    );
  });

  it('report the faults of all of them at once', () => {
    try {
      parse([post(undefined, { ...patient, bogus: 1 }), post(undefined, { ...patient, gender: 'x' })]);
      expect.unreachable();
    } catch (error: any) {
      expect(error.issues.map((issue: any) => issue.expression)).toEqual([
        'Bundle.entry[0].resource.bogus',
        'Bundle.entry[1].resource.gender',
      ]);
    }
  });
});
