import { describe, expect, test } from 'vitest';
import { decimal } from '../../../src/formats/fhir/json.ts';
import type { Resource } from '../../../src/formats/fhir/resource.ts';
import { matches } from '../../../src/search/matches.ts';
import { parseQuery } from '../../../src/search/query.ts';

/** True when the resource satisfies the search text. */
function is(resource: Resource, text: string): boolean {
  const parsed = parseQuery(resource.resourceType, new URLSearchParams(text));
  if ('errors' in parsed) throw new Error(JSON.stringify(parsed.errors));
  return matches(resource, parsed.query);
}

const observation: Resource = {
  resourceType: 'Observation',
  id: '7',
  status: 'final',
  category: [{ coding: [{ system: 'http://cat', code: 'laboratory' }] }],
  code: { coding: [{ system: 'http://loinc.org', code: '718-7' }, { code: 'HB' }] },
  subject: { reference: 'Patient/1' },
  encounter: { reference: 'https://else.example/Encounter/9' },
  effectiveDateTime: '2024-05-10T23:30:00-02:00',
  valueQuantity: { value: 5.4, system: 'http://unitsofmeasure.org', code: 'g/dL', unit: 'gram' },
};

test.each<[string, boolean]>([
  ['_id=7', true],
  ['_id=8', false],
  ['_id=8,7', true],
  ['code=718-7', true],
  ['code=http://loinc.org|718-7', true],
  ['code=http://snomed.info/sct|718-7', false],
  ['code=|718-7', false],
  ['code=|HB', true],
  ['code=http://loinc.org|', true],
  ['code=http://snomed.info/sct|', false],
  ['code=HB&code=718-7', true],
  ['code=HB&code=x', false],
  ['code=x,HB', true],
  ['code:not=x', true],
  ['code:not=HB', false],
  ['code:not=HB,x', false],
  ['data-absent-reason:not=x', true],
  ['status=final', true],
  ['status=http://hl7.org/fhir/observation-status|final', true],
  ['status=http://else|final', false],
  ['status=FINAL', false],
  ['patient=1', true],
  ['patient=Patient/1', true],
  ['patient=2', false],
  ['subject=Group/1', false],
  ['subject:Patient=1', true],
  ['subject:Group=1', false],
  ['encounter=9', false],
  ['encounter=https://else.example/Encounter/9', true],
  ['performer:missing=true', true],
  ['subject:missing=true', false],
  ['subject:missing=false', true],
  // 2024-05-11T01:30Z
  ['date=2024-05-11', true],
  ['date=2024-05-10', false],
  ['date=2024', true],
  ['date=ne2024', false],
  ['date=gt2024-05-11', false],
  ['date=ge2024-05-11', true],
  ['date=gt2024-05-10', true],
  ['date=lt2024-05-12', true],
  ['date=lt2024-05-11', false],
  ['date=le2024-05-11', true],
  ['date=sa2024-05-10', true],
  ['date=eb2024-05-12', true],
  ['date=2024-05-10T23:30:00-02:00', true],
  ['date=2024-05-11T01:30Z', true],
  ['date=2024-05-11T01:31Z', false],
  ['value-quantity=5.4', true],
  ['value-quantity=5', true],
  ['value-quantity=5.40', true],
  ['value-quantity=5.41', false],
  ['value-quantity=gt5.4', false],
  ['value-quantity=ge5.4', true],
  ['value-quantity=lt5.5', true],
  ['value-quantity=5.4|http://unitsofmeasure.org|g/dL', true],
  ['value-quantity=5.4|http://unitsofmeasure.org|mg', false],
  ['value-quantity=5.4||gram', true],
  ['combo-code=718-7', true],
])('an observation and %s: %s', (text, expected) => {
  expect(is(observation, text)).toBe(expected);
});

describe('dates as ranges', () => {
  const encounter = (period: object): Resource => ({ resourceType: 'Encounter', id: '1', period });
  test.each<[object, string, boolean]>([
    [{ start: '2024-01-10', end: '2024-02-10' }, 'date=2024-01', false],
    [{ start: '2024-01-10', end: '2024-02-10' }, 'date=2024', true],
    [{ start: '2024-01-10', end: '2024-02-10' }, 'date=ge2024-02-01', true],
    [{ start: '2024-01-10', end: '2024-02-10' }, 'date=le2024-01-31', true],
    [{ start: '2024-01-10', end: '2024-02-10' }, 'date=gt2024-02-10', false],
    [{ start: '2024-01-10', end: '2024-02-10' }, 'date=sa2024-01-09', true],
    [{ start: '2024-01-10', end: '2024-02-10' }, 'date=sa2024-01-10', false],
    [{ start: '2024-01-10' }, 'date=gt2030', true],
    [{ start: '2024-01-10' }, 'date=lt2024', false],
    [{ end: '2024-01-10' }, 'date=lt1990', true],
    [{}, 'date=ne2024', false],
  ])('%j and %s: %s', (period, text, expected) => {
    expect(is(encounter(period), text)).toBe(expected);
  });
});

describe('strings', () => {
  const patient: Resource = {
    resourceType: 'Patient',
    id: '1',
    name: [{ family: 'Müller-Lüdenscheid', given: ['Zoë', "D'Arcy"], prefix: ['Dr.'] }],
    address: [{ city: 'São Paulo', line: ['1 Main Street'] }],
    birthDate: '1970-01-02',
    gender: 'female',
    telecom: [{ system: 'phone', value: '555' }],
    deceasedBoolean: false,
  };
  test.each<[string, boolean]>([
    ['name=muller', true],
    ['name=MÜLLER', true],
    ['name=ludenscheid', false],
    ['name:contains=ludenscheid', true],
    ['name=zoe', true],
    ['name=darcy', true],
    ['name=dr', false],
    ['family=zoe', false],
    ['given:exact=Zoë', true],
    ['given:exact=Zoe', false],
    ['address-city=sao', true],
    ['address=1 main', true],
    ['birthdate=1970', true],
    ['birthdate=1970-01-02&gender=female', true],
    ['gender=male', false],
    ['phone=555', true],
    ['email=555', false],
    ['telecom=555', true],
    ['deceased=false', true],
    ['deceased=true', false],
  ])('a patient and %s: %s', (text, expected) => {
    expect(is(patient, text)).toBe(expected);
  });
});

test('decimals that keep their text, and results that are only bounds', () => {
  const with5 = (valueQuantity: object): Resource => ({ resourceType: 'Observation', id: '1', valueQuantity });
  expect(is(with5({ value: decimal('5.40') }), 'value-quantity=5.4')).toBe(true);
  expect(is(with5({ value: 5, comparator: '<' }), 'value-quantity=lt3')).toBe(true);
  expect(is(with5({ value: 5, comparator: '<' }), 'value-quantity=gt6')).toBe(false);
  expect(is(with5({ value: 5, comparator: '>=' }), 'value-quantity=gt100')).toBe(true);
});

test('only references of the type count where the parameter says so', () => {
  const appointment: Resource = {
    resourceType: 'Appointment',
    id: '1',
    participant: [{ actor: { reference: 'Practitioner/1' } }],
  };
  expect(is(appointment, 'practitioner=1')).toBe(true);
  expect(is(appointment, 'patient=1')).toBe(false);
  expect(is(appointment, 'patient:missing=true')).toBe(true);
});
