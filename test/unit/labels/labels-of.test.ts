import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { labelsOf } from '../../../src/labels/labels-of.ts';

const security = (system: string, ...codes: string[]) => ({
  security: codes.map((code) => ({ system: `http://terminology.hl7.org/CodeSystem/${system}`, code })),
});
const coded = (system: string, code: string) => ({ code: { coding: [{ system, code }] } });

describe('labelsOf', () => {
  it.each([
    ['demographics', { resourceType: 'Patient', name: [{ text: 'Depression Street' }] }, 'IDENT'],
    ['a related person', { resourceType: 'RelatedPerson' }, 'IDENT'],
    ['a protected address', { resourceType: 'Patient', meta: security('v3-ActCode', 'SDV') }, 'IDENT SDV'],
    ['a restricted person', { resourceType: 'Patient', meta: security('v3-Confidentiality', 'R') }, 'IDENT R'],
    ['a consent', { resourceType: 'Consent', provision: { securityLabel: [{ code: 'PSY' }] } }, 'CONSENT'],
    ['an audit event', { resourceType: 'AuditEvent' }, 'AUDIT'],
    ['a practitioner', { resourceType: 'Practitioner' }, 'DIRECTORY'],
    ['an implant', { resourceType: 'Device', patient: { reference: 'Patient/1' } }, 'N'],
    ['a plain laboratory value', { resourceType: 'Observation', ...coded('http://loinc.org', '2345-7') }, 'N'],
    ['a LOINC code', { resourceType: 'Observation', ...coded('http://loinc.org', '56888-1') }, 'HIV'],
    [
      'ICD-10 with its dot',
      { resourceType: 'Condition', ...coded('http://hl7.org/fhir/sid/icd-10-cm', 'F10.20') },
      'SUD',
    ],
    [
      'ICD-10 without its dot',
      { resourceType: 'Condition', ...coded('http://hl7.org/fhir/sid/icd-10-cm', 'F332') },
      'PSY',
    ],
    ['tobacco alone', { resourceType: 'Condition', ...coded('http://hl7.org/fhir/sid/icd-10-cm', 'F17.210') }, 'N'],
    ['two labels', { resourceType: 'Condition', ...coded('http://hl7.org/fhir/sid/icd-10', 'F02.4') }, 'HIV PSY'],
    ['an OID for the system', { resourceType: 'Condition', ...coded('urn:oid:2.16.840.1.113883.6.90', 'B20') }, 'HIV'],
    ['ATC by prefix', { resourceType: 'MedicationRequest', ...coded('http://www.whocc.no/atc', 'N05AH02') }, 'PSY'],
    [
      'a local code by its name',
      { resourceType: 'Observation', code: { coding: [{ system: 'urn:lab', code: 'X', display: 'HIV 1/2 Ab' }] } },
      'HIV',
    ],
    [
      'a text alone',
      { resourceType: 'MedicationStatement', medicationCodeableConcept: { text: 'Buprenorphine 2 mg' } },
      'SUD',
    ],
    [
      'a coded value',
      {
        resourceType: 'Observation',
        valueCodeableConcept: { coding: [{ system: 'http://snomed.info/sct', code: '86406008' }] },
      },
      'HIV',
    ],
    [
      'a contained resource',
      {
        resourceType: 'MedicationRequest',
        contained: [{ resourceType: 'Medication', ...coded('http://www.whocc.no/atc', 'J05AR02') }],
      },
      'HIV',
    ],
    ['a document', { resourceType: 'DocumentReference' }, 'R'],
    [
      'a document that its source calls normal',
      { resourceType: 'DocumentReference', meta: security('v3-Confidentiality', 'N') },
      'N',
    ],
    [
      'a document with its own label',
      { resourceType: 'DocumentReference', securityLabel: [{ coding: security('v3-ActCode', 'PSYTHPN').security }] },
      'PSY',
    ],
    [
      'a normal mark beside a sensitive code',
      {
        resourceType: 'Observation',
        meta: security('v3-Confidentiality', 'N'),
        ...coded('http://loinc.org', '7917-8'),
      },
      'HIV',
    ],
    ['very restricted', { resourceType: 'Observation', meta: security('v3-Confidentiality', 'V') }, 'R'],
    [
      'a label that nobody knows',
      { resourceType: 'Observation', meta: { security: [{ system: 'urn:vip', code: 'VIP' }] } },
      'R',
    ],
    ['behavioural health', { resourceType: 'Observation', meta: security('v3-ActCode', 'BH') }, 'PSY SUD'],
    ['HL7 v2 table 0177', { resourceType: 'Observation', meta: security('v2-0177', 'AID') }, 'HIV'],
    ['an integrity mark', { resourceType: 'Observation', meta: security('v3-ObservationValue', 'HRELIABLE') }, 'N'],
    ['a report as text', { resourceType: 'Observation', valueString: 'FINDINGS:\nThe chest is clear.' }, 'R'],
    ['a short string value', { resourceType: 'Observation', valueString: 'Positive' }, 'N'],
    [
      'an attachment',
      { resourceType: 'DiagnosticReport', presentedForm: [{ contentType: 'application/pdf', data: 'A'.repeat(400) }] },
      'R',
    ],
    ['a narrative by a person', { resourceType: 'Condition', text: { status: 'additional', div: '<div/>' } }, 'R'],
    [
      'a generated narrative',
      { resourceType: 'Condition', text: { status: 'generated', div: '<div>' + 'x'.repeat(900) + '</div>' } },
      'N',
    ],
    ['family history', { resourceType: 'FamilyMemberHistory' }, 'GEN'],
  ])('puts %s into its lockbox', (_name, resource, expected) => {
    expect(labelsOf(resource)).toBe(expected);
  });

  it('never lowers: a label more on the record never takes one away', () => {
    const sensitive = { resourceType: 'Condition', ...coded('http://hl7.org/fhir/sid/icd-10-cm', 'F32.9') };
    for (const code of ['U', 'L', 'M', 'N', 'R', 'V']) {
      expect(labelsOf({ ...sensitive, meta: security('v3-Confidentiality', code) })).toBe('PSY');
    }
  });

  it('takes hostile shapes without throwing', () => {
    for (const odd of [
      { code: null },
      { code: [null, 1, 'x'] },
      { code: { coding: 'x' } },
      { meta: {} },
      { securityLabel: [null] },
    ]) {
      expect(() => labelsOf({ resourceType: 'DocumentReference', ...odd } as never)).not.toThrow();
    }
  });
});

const corpora = process.env.CORPORA_DIR;
describe.skipIf(!corpora)('labelsOf on Synthea', () => {
  const folder = join(corpora ?? '', 'fhir/synthea');
  const resources = (corpora ? readdirSync(folder) : [])
    .filter((name) => name.endsWith('.json'))
    .flatMap((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')).entry.map((entry: any) => entry.resource));

  it('labels few records and the right ones', () => {
    expect(resources.length).toBeGreaterThan(2000);
    const sensitive = resources.filter((resource) => !['N', 'R', 'IDENT', 'DIRECTORY'].includes(labelsOf(resource)));
    expect(sensitive.length).toBeGreaterThan(10);
    expect(sensitive.length).toBeLessThan(resources.length / 20);
  });
});
