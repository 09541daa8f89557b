import { describe, expect, test } from 'vitest';
import { GATEWAY_TAG_SYSTEM, type StoredResource } from '../../../src/formats/fhir/resource.ts';
import { indexEntries } from '../../../src/search/extract.ts';
import { bucketOf, bucketsBetween } from '../../../src/search/tokens.ts';

const meta = { versionId: '1', lastUpdated: '2024-06-01T00:00:00Z' };
const parts = (resource: StoredResource): string[] =>
  indexEntries(resource).gateway.map((token) => token.slice(1).join(' '));

const observation: StoredResource = {
  resourceType: 'Observation',
  id: 'o1',
  meta,
  status: 'final',
  category: [{ coding: [{ system: 'http://cat', code: 'laboratory' }] }],
  code: { coding: [{ system: 'http://loinc.org', code: '718-7' }], text: 'Haemoglobin' },
  subject: { reference: 'Patient/1' },
  encounter: { reference: 'Encounter/2' },
  effectiveDateTime: '2024-05-10T10:00:00Z',
  valueQuantity: { value: 13.2, unit: 'g/dL' },
};

test('an observation: thirteen rows, the subject only under its own secret', () => {
  const { gateway, patient, sortTime } = indexEntries(observation);
  expect(sortTime).toBe(Date.UTC(2024, 4, 10, 10));
  expect(parts(observation)).toEqual([
    '_type type',
    'status code final',
    'category system|code http://cat laboratory',
    'category code laboratory',
    'category system| http://cat',
    'code system|code http://loinc.org 718-7',
    'code code 718-7',
    'code system| http://loinc.org',
    'encounter reference 2',
    'value-quantity bucket +1:1',
  ]);
  expect(patient).toEqual([
    ['Observation', '_type', 'type'],
    ['Observation', 'category', 'code', 'laboratory'],
    ['Observation', 'code', 'code', '718-7'],
  ]);
  for (const token of [...gateway, ...patient]) expect(token[0]).toBe('Observation');
});

test('a code without a system has the forms |code and code', () => {
  expect(parts({ ...observation, category: [], code: { coding: [{ code: 'X' }] } })).toEqual(
    expect.arrayContaining(['code |code X', 'code code X']),
  );
});

test('equal tokens stand once', () => {
  const coding = [{ system: 'http://loinc.org', code: '1' }];
  const found = parts({ ...observation, code: { coding: [...coding, ...coding] } });
  expect(new Set(found).size).toBe(found.length);
});

test('a person: no gender, no birth date alone, no address, no contact; sorted by the last change', () => {
  const patient: StoredResource = {
    resourceType: 'Patient',
    id: 'p',
    meta,
    identifier: [{ system: 'urn:mrn', value: '12' }],
    name: [{ family: 'Müller', given: ['Jo'] }],
    gender: 'female',
    birthDate: '1970-01-02',
    telecom: [{ system: 'phone', value: '555' }],
    address: [{ city: 'Bern' }],
    deceasedDateTime: '2020-01-01',
    managingOrganization: { reference: 'Organization/1' },
  };
  expect(indexEntries(patient)).toEqual({
    sortTime: Date.parse(meta.lastUpdated),
    gateway: [
      ['Patient', '_type', 'type'],
      ['Patient', 'identifier', 'system|code', 'urn:mrn', '12'],
      ['Patient', 'identifier', 'code', '12'],
      ['Patient', 'identifier', 'system|', 'urn:mrn'],
      ['Patient', 'name', 'prefix', 'mul'],
      ['Patient', 'name', 'prefix', 'mull'],
      ['Patient', 'name', 'prefix', 'mulle'],
      ['Patient', 'name', 'prefix', 'muller'],
      ['Patient', 'name', 'whole', 'jo'],
      ['Patient', 'name+birthdate', 'prefix', 'mul', '1970-01-02'],
    ],
    patient: [],
  });
});

describe('sort time', () => {
  const sorted = (resource: object): string =>
    new Date(indexEntries({ id: '1', meta, ...resource } as StoredResource).sortTime).toISOString().slice(0, 10);
  const isLong = (resource: object): boolean =>
    indexEntries({ id: '1', meta, ...resource } as StoredResource).gateway.some((token) => token[2] === 'long');
  test.each([
    [
      { resourceType: 'Observation', effectivePeriod: { start: '2024-01-02' }, issued: '2024-01-05T00:00:00Z' },
      '2024-01-02',
      true,
    ],
    [{ resourceType: 'Observation', issued: '2024-01-05T00:00:00Z' }, '2024-01-05', false],
    [{ resourceType: 'Observation' }, '2024-06-01', false],
    [{ resourceType: 'Encounter', period: { start: '2024-01-02', end: '2024-01-03' } }, '2024-01-02', false],
    [{ resourceType: 'Encounter', period: { end: '2024-01-03' } }, '2024-01-03', true],
    [{ resourceType: 'Condition', onsetDateTime: '2020', recordedDate: '2024-01-01' }, '2020-01-01', true],
    [{ resourceType: 'Condition', recordedDate: '2024-01-01' }, '2024-01-01', false],
    [{ resourceType: 'MedicationRequest', authoredOn: '2024-03' }, '2024-03-01', false],
    [
      { resourceType: 'ServiceRequest', authoredOn: '2024-03-04', occurrenceDateTime: '2025-01-01' },
      '2024-03-04',
      false,
    ],
    [{ resourceType: 'Immunization', occurrenceDateTime: '2023-03-04' }, '2023-03-04', false],
    [{ resourceType: 'Procedure', performedPeriod: { start: '2023-03-04', end: '2023-03-04' } }, '2023-03-04', false],
    [
      { resourceType: 'DiagnosticReport', effectiveDateTime: '2023-03-04', issued: '2024-01-05T00:00:00Z' },
      '2023-03-04',
      false,
    ],
    [{ resourceType: 'ImagingStudy', started: '2023-03-04' }, '2023-03-04', false],
    [{ resourceType: 'Appointment', start: '2023-03-04T00:00:00Z' }, '2023-03-04', false],
    [{ resourceType: 'Practitioner', birthDate: '1970-01-01' }, '2024-06-01', false],
    [{ resourceType: 'RelatedPerson', birthDate: '1970-01-01', period: { start: '1999-01-01' } }, '2024-06-01', false],
  ])('%j', (resource, day, long) => {
    expect(sorted(resource)).toBe(day);
    expect(isLong(resource)).toBe(long);
  });
});

test('a tombstone has no rows', () => {
  const tombstone = { ...observation, meta: { ...meta, tag: [{ system: GATEWAY_TAG_SYSTEM, code: 'deleted' }] } };
  expect(indexEntries(tombstone)).toEqual({ sortTime: Date.parse(meta.lastUpdated), gateway: [], patient: [] });
});

test('an unknown type has the rows of its type', () => {
  const instance: StoredResource = {
    resourceType: 'DicomInstance',
    id: '1',
    meta,
    subject: { reference: 'Patient/1' },
  };
  expect(indexEntries(instance)).toMatchObject({
    gateway: [['DicomInstance', '_type', 'type']],
    patient: [['DicomInstance', '_type', 'type']],
  });
});

test('number buckets are in order and hold every number once', () => {
  const numbers = [-2e9, -150, -1, -0.02, -1e-9, 0, 1e-7, 1e-6, 0.5, 1, 9.99, 10, 199, 200, 999_999_999, 1e9, 1e20];
  const all = bucketsBetween(-Infinity, Infinity);
  const positions = numbers.map((value) => all.indexOf(bucketOf(value, value)));
  expect(positions.every((position) => position >= 0)).toBe(true);
  expect(positions).toEqual(positions.toSorted((a, b) => a - b));
  expect(bucketsBetween(5, 7)).toEqual(['+0:5', '+0:6', '+0:7']);
  expect(bucketOf(-Infinity, 5)).toBe('open');
});
