import type { Interaction, Principal, Purpose, Role, Scope } from '../../../src/core/principal.ts';
import type { ResourceKey } from '../../../src/core/ids.ts';
import type { DecisionRequest } from '../../../src/consent/decide.ts';
import { DEFAULT_POLICY } from '../../../src/consent/policy.ts';
import type { Resource } from '../../../src/formats/fhir/resource.ts';
import { labelSet, type Label } from '../../../src/labels/label.ts';

export const NOW = Date.UTC(2026, 10, 22, 12);
export const PATIENT = '00000000-0000-4000-8000-000000000001' as ResourceKey;

const LEVEL: Readonly<Record<Role, Scope['level']>> = {
  practitioner: 'user',
  patient: 'patient',
  system: 'system',
  researcher: 'user',
};
const PURPOSE: Readonly<Record<Role, Purpose>> = {
  practitioner: 'TREAT',
  patient: 'PATRQT',
  system: 'TREAT',
  researcher: 'HRESCH',
};
const ALL: readonly Interaction[] = ['create', 'read', 'update', 'delete', 'search'];

export function scope(level: Scope['level'], type = '*', interactions: readonly Interaction[] = ALL): Scope {
  return { level, type, interactions: new Set(interactions) };
}

export function principal(role: Role, more: Partial<Principal> = {}): Principal {
  return {
    issuer: 'https://stmary.example/anamnesis',
    subject: 'lee',
    role,
    client: 'app',
    purpose: PURPOSE[role],
    scopes: [scope(LEVEL[role])],
    ownInstitution: true,
    ...(role === 'practitioner' || role === 'researcher' ? { fhirUser: 'Practitioner/lee' } : {}),
    ...(role === 'patient' ? { patient: 'p1', fhirUser: 'Patient/p1' } : {}),
    ...more,
  };
}

export function request(
  who: Principal,
  more: Partial<DecisionRequest> = {},
  labels: readonly Label[] = ['N'],
): DecisionRequest {
  return {
    principal: who,
    purpose: who.purpose,
    action: 'read',
    subject: { kind: 'patient', patient: PATIENT, isPrincipal: who.role === 'patient' },
    labels: labelSet(labels),
    consents: [],
    policy: DEFAULT_POLICY,
    now: NOW,
    ...more,
  };
}

let serial = 0;

/** An active privacy Consent with the given root provision and more elements. */
export function consent(provision: Record<string, unknown> | undefined, more: Record<string, unknown> = {}): Resource {
  serial += 1;
  return {
    resourceType: 'Consent',
    id: `c${serial}`,
    meta: { versionId: '1', lastUpdated: new Date(NOW - 1000 + serial).toISOString() },
    status: 'active',
    scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
    category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
    patient: { reference: 'Patient/p1' },
    ...(provision === undefined ? {} : { provision }),
    ...more,
  };
}

const act = (code: string) => ({ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code });
export const label = {
  confidentiality: (code: string) => ({ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code }),
  act,
};
export const reason = (code: string) => ({ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code });
export const classOf = (code: string) => ({ system: 'http://hl7.org/fhir/resource-types', code });
export const actionOf = (code: string) => ({
  coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentaction', code }],
});
export const actor = (reference: string, role = 'IRCP') => ({
  role: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: role }] },
  reference: { reference },
});
