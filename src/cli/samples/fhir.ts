/** The product's own sample FHIR: a bundle of a fictitious person's findings, and that person's refusal. */
import type { Resource } from '../../formats/fhir/resource.ts';

const coding = (system: string, code: string, display: string): object => ({
  coding: [{ system, code, display }],
  text: display,
});

const CONDITION_CLINICAL = 'http://terminology.hl7.org/CodeSystem/condition-clinical';
const ALLERGY_CLINICAL = 'http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical';

/** A transaction for the Patient of that logical id: a condition, an allergy, and a blood pressure that belongs to both visits. */
export function sampleBundle(patientId: string): Resource {
  const subject = { reference: `Patient/${patientId}` };
  const entry = (uuid: string, resource: Resource): object => ({
    fullUrl: `urn:uuid:${uuid}`,
    resource,
    request: { method: 'POST', url: resource.resourceType },
  });
  const condition = '6f1d9f7e-30f6-4c8b-9d4c-0a6c0b1d2e01';
  return {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [
      entry(condition, {
        resourceType: 'Condition',
        clinicalStatus: { coding: [{ system: CONDITION_CLINICAL, code: 'active' }] },
        code: coding('http://snomed.info/sct', '38341003', 'Hypertensive disorder'),
        subject,
        recordedDate: '2025-03-12',
      }),
      entry('6f1d9f7e-30f6-4c8b-9d4c-0a6c0b1d2e02', {
        resourceType: 'AllergyIntolerance',
        clinicalStatus: { coding: [{ system: ALLERGY_CLINICAL, code: 'active' }] },
        code: coding('http://snomed.info/sct', '91936005', 'Allergy to penicillin'),
        patient: subject,
        recordedDate: '2025-03-12',
      }),
      entry('6f1d9f7e-30f6-4c8b-9d4c-0a6c0b1d2e03', {
        resourceType: 'ClinicalImpression',
        status: 'completed',
        subject,
        date: '2025-03-12',
        problem: [{ reference: `urn:uuid:${condition}` }],
        summary: 'Blood pressure above target; treatment to be reviewed.',
      }),
    ],
  };
}

/** The patient's refusal: nobody reads anything, from now on. */
export function sampleRefusal(patientId: string, dateTime: string): Resource {
  const patient = { reference: `Patient/${patientId}` };
  return {
    resourceType: 'Consent',
    status: 'active',
    scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
    category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0', display: 'Consent Document' }] }],
    patient,
    performer: [patient],
    dateTime,
    policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTOUT' }] },
    provision: { type: 'deny' },
  };
}
