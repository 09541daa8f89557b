import { describe, expect, it } from 'vitest';
import type { Interaction, Principal } from '../../../src/core/principal.ts';
import { decide, type DecisionRequest } from '../../../src/consent/decide.ts';
import { explain } from '../../../src/consent/explain.ts';
import { parseConsent } from '../../../src/consent/parse-consent.ts';
import { DEFAULT_POLICY } from '../../../src/consent/policy.ts';
import type { Resource } from '../../../src/formats/fhir/resource.ts';
import type { Label } from '../../../src/labels/label.ts';
import { actionOf, actor, classOf, consent, label, NOW, principal, reason, request, scope } from './fixtures.ts';

const practitioner = principal('practitioner');
const foreign = principal('practitioner', {
  issuer: 'https://other.example',
  ownInstitution: false,
  fhirUser: 'https://other.example/fhir/Practitioner/1',
});
const patient = principal('patient');
const system = principal('system');
const researcher = principal('researcher');

const record: Resource = {
  resourceType: 'Observation',
  id: 'o1',
  meta: { versionId: '1', lastUpdated: '2026-11-20T10:00:00Z' },
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code: '2345-7' }] },
  effectiveDateTime: '2026-06-01T08:00:00Z',
  performer: [{ reference: 'Practitioner/kim' }],
};

/** `permit`, or the first reason of the denial; residual predicate included when there is a record. */
function outcome(asked: DecisionRequest, opened: Resource | undefined = record): string {
  const decision = decide(asked);
  if (decision.kind === 'denial') return decision.reasons[0] ?? '';
  return opened === undefined || decision.residual(opened) ? 'permit' : 'refused';
}
const withConsents = (
  who: Principal,
  consents: readonly Resource[],
  more: Partial<DecisionRequest> = {},
  labels: readonly Label[] = ['N'],
) => outcome(request(who, { type: 'Observation', consents: consents.map(parseConsent), ...more }, labels));

describe('without a Consent', () => {
  const read: Interaction = 'read';
  it.each<[string, Principal, Interaction, readonly Label[], string]>([
    ['own practitioner reads', practitioner, read, ['N'], 'permit'],
    ['own practitioner reads sensitive records', practitioner, 'search', ['HIV', 'PSY'], 'permit'],
    ['own practitioner writes', practitioner, 'create', ['N'], 'permit'],
    ['own practitioner reads Consents', practitioner, read, ['CONSENT'], 'permit'],
    ['own practitioner records a Consent', practitioner, 'create', ['CONSENT'], 'permit'],
    ['own practitioner changes no Consent', practitioner, 'update', ['CONSENT'], 'default-deny'],
    ['own practitioner reads no audit trail', practitioner, read, ['AUDIT'], 'default-deny'],
    ['own practitioner for payment', { ...practitioner, purpose: 'HPAYMT' }, read, ['N'], 'default-deny'],
    ['own practitioner in an emergency', { ...practitioner, purpose: 'ETREAT' }, read, ['N'], 'permit'],
    ['breaking the glass', { ...practitioner, purpose: 'BTG' }, read, ['N'], 'break-glass-not-available'],
    ['foreign practitioner', foreign, read, ['N'], 'default-deny'],
    ['foreign practitioner and the identity', foreign, read, ['IDENT'], 'default-deny'],
    ['own system reads', system, read, ['N'], 'permit'],
    ['own system writes', system, 'update', ['N'], 'permit'],
    ['own system keeps Consents', system, 'delete', ['CONSENT'], 'permit'],
    ['own system for operations', { ...system, purpose: 'HOPERAT' }, read, ['N'], 'default-deny'],
    ['researcher on identified data', researcher, 'search', ['N'], 'default-deny'],
    ['researcher who says treatment', { ...researcher, purpose: 'TREAT' }, read, ['N'], 'default-deny'],
    ['patient reads', patient, read, ['PSY'], 'permit'],
    ['patient reads the audit trail', patient, 'search', ['AUDIT'], 'permit'],
    ['patient writes a Consent', patient, 'create', ['CONSENT'], 'permit'],
    ['patient changes a Consent', patient, 'update', ['CONSENT'], 'permit'],
    ['patient writes no clinical record', patient, 'create', ['N'], 'patient-may-not-write'],
    ['patient changes no name', patient, 'update', ['IDENT'], 'patient-may-not-write'],
    ['nobody changes the audit trail', system, 'update', ['AUDIT'], 'audit-is-append-only'],
    ['nobody deletes it', patient, 'delete', ['AUDIT'], 'audit-is-append-only'],
    ['raw messages', system, read, ['RAW'], 'never-served'],
    ['manifests', system, read, ['MANIFEST'], 'never-served'],
    ['the research view', researcher, read, ['RESEARCH'], 'never-served'],
  ])('%s', (_name, who, action, labels, expected) => {
    expect(outcome(request(who, { action }, labels))).toBe(expected);
  });

  it('keeps a patient out of other charts, and does not tell that they exist', () => {
    const asked = request(patient, { subject: { ...request(patient).subject, isPrincipal: false } as never });
    // A scope of level patient does not reach there; one of level user neither.
    for (const scopes of [patient.scopes, [scope('user')]]) {
      const decision = decide({ ...asked, principal: { ...patient, scopes } });
      expect(decision).toMatchObject({ kind: 'denial', mayKnowPatient: false });
    }
  });

  it('tells only own staff, own systems and the patient that a patient exists', () => {
    const knows = (who: Principal) => {
      const decision = decide(request({ ...who, scopes: [] }));
      return decision.kind === 'denial' && decision.mayKnowPatient;
    };
    expect([practitioner, system, patient, foreign, researcher].map(knows)).toEqual([true, true, true, false, false]);
  });

  it.each<[string, Principal, Interaction, string]>([
    ['practitioner reads', practitioner, 'search', 'permit'],
    ['foreign practitioner reads', foreign, 'read', 'permit'],
    ['patient reads', patient, 'read', 'permit'],
    ['researcher reads', researcher, 'read', 'permit'],
    ['system writes', system, 'create', 'permit'],
    ['practitioner writes', practitioner, 'update', 'permit'],
    ['foreign practitioner writes', foreign, 'create', 'default-deny'],
    ['patient writes', patient, 'create', 'patient-may-not-write'],
  ])('directory: %s', (_name, who, action, expected) => {
    expect(outcome(request(who, { action, subject: { kind: 'directory' } }, ['DIRECTORY']))).toBe(expected);
  });

  it('does not take the directory for a chart, nor a chart for the directory', () => {
    expect(outcome(request(system, { subject: { kind: 'directory' } }, ['N']))).toBe('never-served');
    expect(outcome(request(system, { subject: { kind: 'directory' } }, ['AUDIT']))).toBe('never-served');
    expect(outcome(request(system, {}, ['DIRECTORY']))).toBe('never-served');
  });
});

describe('scopes', () => {
  const limited = (...scopes: Principal['scopes']) => ({ ...practitioner, scopes });
  it('limit types and interactions before anything else', () => {
    const observations = limited(scope('user', 'Observation', ['read', 'search']));
    expect(outcome(request(observations, { type: 'Observation' }))).toBe('permit');
    expect(outcome(request(observations, { type: 'Condition' }))).toBe('scope');
    expect(outcome(request(observations, { type: 'Observation', action: 'create' }))).toBe('scope');
    expect(outcome(request(limited(), { type: 'Observation' }))).toBe('scope');
  });

  it('hold for the opened record when the type was not known before', () => {
    const conditions = limited(scope('user', 'Condition', ['read']));
    expect(outcome(request(conditions))).toBe('refused');
    expect(outcome(request(conditions), { resourceType: 'Condition' })).toBe('permit');
  });

  it('of level patient bind a practitioner to the chart of the launch', () => {
    const launched = limited(scope('patient', '*', ['read']));
    expect(outcome(request(launched))).toBe('scope');
    expect(outcome(request(launched, { subject: { ...request(launched).subject, isPrincipal: true } as never }))).toBe(
      'permit',
    );
  });

  it('of another level than the role count for nothing', () => {
    expect(outcome(request(limited(scope('system'))))).toBe('scope');
    expect(outcome(request({ ...system, scopes: [scope('user')] }))).toBe('scope');
  });
});

describe('base rules', () => {
  it.each<[string, Resource, Principal, string]>([
    ['deny refuses own staff', consent({ type: 'deny' }), practitioner, 'consent-deny'],
    ['deny refuses own systems', consent({ type: 'deny' }), system, 'consent-deny'],
    ['deny does not touch the patient', consent({ type: 'deny' }), patient, 'permit'],
    ['permit opens to others for treatment', consent({ type: 'permit' }), foreign, 'permit'],
    ['permit does not mean research', consent({ type: 'permit' }), researcher, 'default-deny'],
    ['permit for research names it', consent({ type: 'permit', purpose: [reason('HRESCH')] }), researcher, 'permit'],
    [
      'OPTOUT of policyRule',
      consent(undefined, { policyRule: { coding: [{ code: 'OPTOUT' }] } }),
      practitioner,
      'consent-deny',
    ],
    ['OPTIN of policyRule', consent(undefined, { policyRule: { coding: [{ code: 'OPTIN' }] } }), foreign, 'permit'],
    [
      'no rule that can be read',
      consent(undefined, { policyRule: { text: 'see the paper' } }),
      practitioner,
      'consent-deny',
    ],
    ['no rule at all', consent(undefined), practitioner, 'consent-deny'],
    [
      'OPTOUT with an exception in the root',
      consent({ type: 'permit', actor: [actor('Practitioner/lee')] }, { policyRule: { coding: [{ code: 'OPTOUT' }] } }),
      practitioner,
      'permit',
    ],
    [
      'OPTOUT with an exception for another',
      consent({ type: 'permit', actor: [actor('Practitioner/kim')] }, { policyRule: { coding: [{ code: 'OPTOUT' }] } }),
      practitioner,
      'consent-deny',
    ],
    [
      'OPTOUT and a permission for everybody',
      consent({ type: 'permit' }, { policyRule: { coding: [{ code: 'OPTOUT' }] } }),
      practitioner,
      'consent-deny',
    ],
    [
      'emergencies only, in an emergency',
      consent(undefined, { policyRule: { coding: [{ code: 'EMRGONLY' }] } }),
      { ...practitioner, purpose: 'ETREAT' },
      'permit',
    ],
    [
      'emergencies only, otherwise',
      consent(undefined, { policyRule: { coding: [{ code: 'EMRGONLY' }] } }),
      practitioner,
      'consent-deny',
    ],
  ])('%s', (_name, resource, who, expected) => {
    expect(withConsents(who, [resource])).toBe(expected);
  });

  it.each<[string, Record<string, unknown>]>([
    ['draft', { status: 'draft' }],
    ['inactive', { status: 'inactive' }],
    ['entered in error', { status: 'entered-in-error' }],
    [
      'about treatment, not privacy',
      { scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'treatment' }] } },
    ],
  ])('a Consent that is %s says nothing', (_name, more) => {
    expect(withConsents(practitioner, [consent({ type: 'deny' }, more)])).toBe('permit');
  });

  it('holds in its period only', () => {
    const denied = (period: Record<string, string>) => withConsents(practitioner, [consent({ type: 'deny', period })]);
    expect(denied({ start: '2026-01-01', end: '2026-11-22' })).toBe('consent-deny');
    expect(denied({ start: '2026-01-01', end: '2026-11-21' })).toBe('permit');
    expect(denied({ start: '2026-11-22T12:00:01Z' })).toBe('permit');
    expect(denied({ end: 'sometime' })).toBe('consent-deny');
  });

  it('deny overrides between Consents; a newer version replaces an older one', () => {
    const permit = consent({ type: 'permit', actor: [actor('Practitioner/lee')] });
    const deny = consent({ type: 'deny', actor: [actor('Practitioner/lee')] });
    expect(withConsents(practitioner, [permit, deny])).toBe('consent-deny');
    expect(withConsents(practitioner, [deny, permit])).toBe('consent-deny');
    const newer = { ...consent({ type: 'permit' }), id: deny.id };
    expect(withConsents(practitioner, [deny, newer] as Resource[])).toBe('permit');
    expect(withConsents(practitioner, [newer, deny] as Resource[])).toBe('permit');
    const withdrawn = { ...consent({ type: 'deny' }, { status: 'inactive' }), id: deny.id };
    expect(withConsents(practitioner, [deny, withdrawn] as Resource[])).toBe('permit');
  });

  it('permits nothing unverified where the policy asks for verification', () => {
    const policy = { ...DEFAULT_POLICY, verifiedOnly: true };
    expect(withConsents(foreign, [consent({ type: 'permit' })], { policy })).toBe('default-deny');
    expect(
      withConsents(foreign, [consent({ type: 'permit' }, { verification: [{ verified: true }] })], { policy }),
    ).toBe('permit');
    expect(withConsents(practitioner, [consent({ type: 'deny' })], { policy })).toBe('consent-deny');
  });

  it('does not hide itself: staff may know that there is a denial', () => {
    expect(withConsents(practitioner, [consent({ type: 'deny' })], { type: 'Consent' }, ['CONSENT'])).toBe('permit');
  });
});

describe('exceptions by', () => {
  const except = (provision: Record<string, unknown>, base = 'permit') =>
    consent({ type: base, provision: [{ type: base === 'permit' ? 'deny' : 'permit', ...provision }] });

  it('actor', () => {
    expect(withConsents(practitioner, [except({ actor: [actor('Practitioner/lee')] })])).toBe('consent-deny');
    expect(withConsents(practitioner, [except({ actor: [actor('Practitioner/kim')] })])).toBe('permit');
    expect(
      withConsents(practitioner, [except({ actor: [actor('Practitioner/kim'), actor('Practitioner/lee')] }, 'deny')]),
    ).toBe('permit');
    expect(withConsents(practitioner, [except({ actor: [actor('Practitioner/kim')] }, 'deny')])).toBe('consent-deny');
  });

  it('actor, when the token does not say who it is', () => {
    const { fhirUser: _, ...anonymous } = practitioner;
    expect(withConsents(anonymous, [except({ actor: [actor('Practitioner/kim')] })])).toBe('consent-deny');
    expect(withConsents(anonymous, [except({ actor: [actor('Practitioner/kim')] }, 'deny')])).toBe('consent-deny');
  });

  it('organisation, by reference and by identifier', () => {
    const policy = { ...DEFAULT_POLICY, ownOrganizations: ['Organization/stmary', 'urn:oid:1.2.3|stmary'] };
    const identified = {
      role: { coding: [{ code: 'IRCP' }] },
      reference: { identifier: { system: 'urn:oid:1.2.3', value: 'stmary' } },
    };
    expect(withConsents(practitioner, [except({ actor: [actor('Organization/stmary')] })], { policy })).toBe(
      'consent-deny',
    );
    expect(withConsents(practitioner, [except({ actor: [identified] })], { policy })).toBe('consent-deny');
    expect(withConsents(practitioner, [except({ actor: [actor('Organization/other')] })], { policy })).toBe('permit');
    // Known by identifier alone, it may be the organisation that is meant; by local reference it is in its issuer's terms.
    const visitor = (organization: string) => ({ ...foreign, organization });
    const other = { role: identified.role, reference: { identifier: { system: 'urn:oid:9', value: 'other' } } };
    const third = { role: identified.role, reference: { identifier: { system: 'urn:oid:9', value: 'third' } } };
    expect(withConsents(visitor('urn:oid:9|other'), [except({ actor: [other] }, 'deny')], { policy })).toBe('permit');
    expect(withConsents(visitor('urn:oid:9|other'), [except({ actor: [third] }, 'deny')], { policy })).toBe(
      'consent-deny',
    );
    expect(withConsents(visitor('urn:oid:9|other'), [except({ actor: [third] })], { policy })).toBe('permit');
    expect(
      withConsents(visitor('urn:oid:9|other'), [except({ actor: [actor('Organization/other')] })], { policy }),
    ).toBe('consent-deny');
    for (const claim of ['Organization/stmary', 'https://stmary.example/fhir/Organization/stmary']) {
      const bases = { ...policy, ownBases: ['https://stmary.example/fhir'] };
      expect(
        withConsents(visitor(claim), [except({ actor: [actor('Organization/stmary')] }, 'deny')], { policy: bases }),
      ).toBe('consent-deny');
    }
    const absolute = 'https://other.example/fhir/Organization/1';
    expect(withConsents(visitor(absolute), [except({ actor: [actor(absolute)] }, 'deny')], { policy })).toBe('permit');
  });

  it('another institution cannot name one of ours', () => {
    const posing = { ...foreign, fhirUser: 'Practitioner/lee', client: 'app' };
    expect(withConsents(posing, [except({ actor: [actor('Practitioner/lee')] }, 'deny')])).toBe('consent-deny');
    expect(withConsents(posing, [except({ actor: [actor('Device/app')] }, 'deny')])).toBe('consent-deny');
    expect(withConsents(practitioner, [except({ actor: [actor('Device/app')] }, 'deny')])).toBe('permit');
  });

  it('person, by reference before identifier, and by subject of the issuer', () => {
    const both = {
      ...actor('Practitioner/kim'),
      reference: { reference: 'Practitioner/kim', identifier: { system: 'urn:npi', value: '1' } },
    };
    expect(withConsents(practitioner, [except({ actor: [both] })])).toBe('permit');
    const bySubject = (value: string) => ({
      role: { coding: [{ code: 'IRCP' }] },
      reference: { identifier: { system: practitioner.issuer, value } },
    });
    expect(withConsents(practitioner, [except({ actor: [bySubject('lee')] })])).toBe('consent-deny');
    expect(withConsents(practitioner, [except({ actor: [bySubject('kim')] })])).toBe('permit');
    const npi = { role: { coding: [{ code: 'IRCP' }] }, reference: { identifier: { system: 'urn:npi', value: '1' } } };
    expect(withConsents(practitioner, [except({ actor: [npi] })])).toBe('consent-deny');
    const inRole = { ...practitioner, fhirUser: 'PractitionerRole/7' };
    expect(withConsents(inRole, [except({ actor: [actor('Practitioner/kim')] })])).toBe('consent-deny');
  });

  it('group or care team, whose members nobody knows', () => {
    expect(withConsents(practitioner, [except({ actor: [actor('CareTeam/1')] })])).toBe('consent-deny');
    expect(withConsents(practitioner, [except({ actor: [actor('CareTeam/1')] }, 'deny')])).toBe('consent-deny');
  });

  it('kind of person', () => {
    const kind = (code: string) => ({ role: { coding: [{ system: 'https://anamnesis.health/fhir/role', code }] } });
    expect(withConsents(system, [except({ actor: [kind('system')] })])).toBe('consent-deny');
    expect(withConsents(practitioner, [except({ actor: [kind('system')] })])).toBe('permit');
    const doctor = {
      role: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/practitioner-role', code: 'doctor' }] },
    };
    expect(withConsents(practitioner, [except({ actor: [doctor] })])).toBe('consent-deny');
    expect(withConsents(practitioner, [except({ actor: [doctor] }, 'deny')])).toBe('consent-deny');
  });

  it('purpose', () => {
    expect(withConsents(practitioner, [except({ purpose: [reason('TREAT')] })])).toBe('consent-deny');
    expect(withConsents(practitioner, [except({ purpose: [reason('HRESCH')] })])).toBe('permit');
    expect(withConsents({ ...practitioner, purpose: 'ETREAT' }, [except({ purpose: [reason('TREAT')] }, 'deny')])).toBe(
      'permit',
    );
    expect(
      withConsents({ ...practitioner, purpose: 'HPAYMT' }, [except({ purpose: [reason('HPAYMT')] }, 'deny')]),
    ).toBe('permit');
    expect(withConsents(practitioner, [except({ purpose: [{ code: 'whatever' }] })])).toBe('consent-deny');
    // Coordination of care is treatment: the request may be for it.
    expect(withConsents(practitioner, [except({ purpose: [reason('COC')] })])).toBe('consent-deny');
  });

  it('class, before opening when the type is known and after it when not', () => {
    const rule = except({ class: [classOf('Observation')] });
    expect(withConsents(practitioner, [rule])).toBe('consent-deny');
    expect(withConsents(practitioner, [rule], { type: 'Condition' }, ['N'])).toBe('refused');
    expect(outcome(request(practitioner, { consents: [parseConsent(rule)] }))).toBe('refused');
    expect(outcome(request(practitioner, { consents: [parseConsent(rule)] }), { resourceType: 'Condition' })).toBe(
      'permit',
    );
    const only = except({ class: [classOf('Observation'), classOf('Condition')] }, 'deny');
    expect(outcome(request(practitioner, { consents: [parseConsent(only)] }))).toBe('permit');
    expect(outcome(request(practitioner, { consents: [parseConsent(only)] }), { resourceType: 'Procedure' })).toBe(
      'refused',
    );
  });

  it('code, data period, instance, author', () => {
    const glucose = { coding: [{ system: 'http://loinc.org', code: '2345-7' }] };
    expect(withConsents(practitioner, [except({ code: [glucose] })])).toBe('refused');
    expect(
      withConsents(practitioner, [except({ code: [{ coding: [{ system: 'http://loinc.org', code: '718-7' }] }] })]),
    ).toBe('permit');
    expect(withConsents(practitioner, [except({ code: [{ text: 'sugar' }] })])).toBe('refused');
    expect(withConsents(practitioner, [except({ dataPeriod: { start: '2026-05', end: '2026-06-01' } })])).toBe(
      'refused',
    );
    expect(withConsents(practitioner, [except({ dataPeriod: { end: '2026-05-31' } })])).toBe('permit');
    expect(withConsents(practitioner, [except({ dataPeriod: { start: '2026-05', end: '2026-06-30' } }, 'deny')])).toBe(
      'permit',
    );
    const data = (meaning: string, reference: string) => except({ data: [{ meaning, reference: { reference } }] });
    expect(withConsents(practitioner, [data('instance', 'Observation/o1')])).toBe('refused');
    expect(withConsents(practitioner, [data('instance', 'Observation/o2')])).toBe('permit');
    expect(withConsents(practitioner, [data('dependents', 'Practitioner/kim')])).toBe('refused');
    expect(withConsents(practitioner, [data('dependents', 'Encounter/e1')])).toBe('permit');
    expect(withConsents(practitioner, [data('authoredby', 'Practitioner/kim')])).toBe('refused');
    expect(withConsents(practitioner, [data('authoredby', 'Practitioner/lee')])).toBe('permit');
    expect(withConsents(practitioner, [data('related', 'Encounter/e1')])).toBe('refused');
    expect(withConsents(practitioner, [except({ actor: [actor('Practitioner/kim', 'AUT')] })])).toBe('refused');
  });

  it.each<[string, unknown, string, readonly Label[], string]>([
    ['deny PSY touches PSY', label.act('PSY'), 'permit', ['PSY'], 'consent-deny'],
    ['deny PSY touches PSY with HIV', label.act('PSY'), 'permit', ['HIV', 'PSY'], 'consent-deny'],
    ['deny PSY leaves HIV', label.act('PSY'), 'permit', ['HIV'], 'permit'],
    ['deny PSY leaves N', label.act('PSY'), 'permit', ['N'], 'permit'],
    ['deny a finer code touches the whole label', label.act('PSYTHPN'), 'permit', ['PSY'], 'consent-deny'],
    ['deny R touches R', label.confidentiality('R'), 'permit', ['R'], 'consent-deny'],
    ['deny R touches what is sensitive', label.confidentiality('R'), 'permit', ['SUD'], 'consent-deny'],
    ['deny R leaves N', label.confidentiality('R'), 'permit', ['N'], 'permit'],
    ['deny R leaves the identity', label.confidentiality('R'), 'permit', ['IDENT'], 'permit'],
    ['deny N touches all', label.confidentiality('N'), 'permit', ['R'], 'consent-deny'],
    ['deny V waits for the record', label.confidentiality('V'), 'permit', ['R'], 'permit'],
    ['deny a code that nobody knows', label.act('XYZ'), 'permit', ['N'], 'consent-deny'],
    ['permit N covers N', label.confidentiality('N'), 'deny', ['N'], 'permit'],
    ['permit N covers the identity', label.confidentiality('N'), 'deny', ['IDENT'], 'permit'],
    ['permit N does not cover R', label.confidentiality('N'), 'deny', ['R'], 'consent-deny'],
    ['permit R covers N and R', label.confidentiality('R'), 'deny', ['R'], 'permit'],
    ['permit R does not cover HIV', label.confidentiality('R'), 'deny', ['HIV'], 'consent-deny'],
    ['permit HIV covers HIV', label.act('HIV'), 'deny', ['HIV'], 'permit'],
    ['permit HIV does not cover HIV with PSY', label.act('HIV'), 'deny', ['HIV', 'PSY'], 'consent-deny'],
    ['permit HIV does not cover N', label.act('HIV'), 'deny', ['N'], 'consent-deny'],
    ['permit a finer code needs the mark itself', label.act('PSYTHPN'), 'deny', ['PSY'], 'refused'],
  ])('label: %s', (_name, coding, base, labels, expected) => {
    expect(withConsents(practitioner, [except({ securityLabel: [coding] }, base)], {}, labels)).toBe(expected);
  });

  it('labels that are repeated are alternatives, and together cover a mixed record', () => {
    const both = except({ securityLabel: [label.act('HIV'), label.act('PSY')] }, 'deny');
    expect(withConsents(practitioner, [both], {}, ['HIV', 'PSY'])).toBe('permit');
    expect(withConsents(practitioner, [both], {}, ['PSY'])).toBe('permit');
    expect(withConsents(practitioner, [both], {}, ['PSY', 'SUD'])).toBe('consent-deny');
  });

  it('labels of the opened record', () => {
    const marked = { ...record, meta: { security: [label.confidentiality('V')] } };
    const asked = request(
      practitioner,
      { consents: [parseConsent(except({ securityLabel: [label.confidentiality('V')] }))] },
      ['R'],
    );
    expect(outcome(asked, marked)).toBe('refused');
    expect(outcome(asked, record)).toBe('permit');
    const vip = request(
      practitioner,
      { consents: [parseConsent(except({ securityLabel: [{ system: 'urn:vip', code: 'VIP' }] }))] },
      ['R'],
    );
    expect(outcome(vip, { ...record, meta: { security: [{ system: 'urn:vip', code: 'VIP' }] } })).toBe('refused');
    expect(outcome(vip, record)).toBe('permit');
  });

  it('several elements are ANDed', () => {
    const rule = except({ actor: [actor('Practitioner/lee')], securityLabel: [label.act('PSY')] });
    expect(withConsents(practitioner, [rule], {}, ['PSY'])).toBe('consent-deny');
    expect(withConsents(practitioner, [rule], {}, ['N'])).toBe('permit');
    expect(withConsents({ ...practitioner, fhirUser: 'Practitioner/kim' }, [rule], {}, ['PSY'])).toBe('permit');
  });

  it('exceptions from exceptions, at any depth', () => {
    const rule = consent({
      type: 'permit',
      provision: [
        {
          type: 'deny',
          securityLabel: [label.act('PSY')],
          provision: [
            {
              type: 'permit',
              actor: [actor('Practitioner/lee')],
              provision: [{ type: 'deny', class: [classOf('Condition')] }],
            },
          ],
        },
        { type: 'deny', class: [classOf('MedicationRequest')] },
      ],
    });
    expect(withConsents(practitioner, [rule], {}, ['PSY'])).toBe('permit');
    expect(withConsents({ ...practitioner, fhirUser: 'Practitioner/kim' }, [rule], {}, ['PSY'])).toBe('consent-deny');
    expect(withConsents(practitioner, [rule], { type: 'Condition' }, ['PSY'])).toBe('consent-deny');
    // An exception inside one branch does not speak for another.
    expect(withConsents(practitioner, [rule], { type: 'MedicationRequest' }, ['PSY'])).toBe('consent-deny');
  });
});

describe('actions', () => {
  it('rules that name none speak of reading, and so of changing what one may not read', () => {
    const deny = [consent({ type: 'deny' })];
    expect(withConsents(practitioner, deny, { action: 'search' })).toBe('consent-deny');
    expect(withConsents(practitioner, deny, { action: 'create' })).toBe('permit');
    expect(withConsents(practitioner, deny, { action: 'update' })).toBe('consent-deny');
    expect(withConsents(practitioner, deny, { action: 'delete' })).toBe('consent-deny');
    expect(withConsents(system, deny, { action: 'update' })).toBe('permit');
    const exempted = consent({ type: 'deny', provision: [{ type: 'permit', actor: [actor('Practitioner/lee')] }] });
    expect(withConsents(practitioner, [exempted], { action: 'update' })).toBe('permit');
    expect(withConsents({ ...practitioner, fhirUser: 'Practitioner/kim' }, [exempted], { action: 'update' })).toBe(
      'consent-deny',
    );
    for (const action of ['create', 'update', 'delete'] as const) {
      expect(withConsents(foreign, [consent({ type: 'permit' })], { action })).toBe('default-deny');
    }
  });

  it('rules that name collecting and correcting speak of writing', () => {
    const deny = consent({ type: 'permit', provision: [{ type: 'deny', action: [actionOf('collect')] }] });
    expect(withConsents(practitioner, [deny], { action: 'create' })).toBe('consent-deny');
    expect(withConsents(practitioner, [deny], { action: 'read' })).toBe('permit');
    const permit = consent({ type: 'permit', action: [actionOf('access'), actionOf('collect')] });
    expect(withConsents(foreign, [permit], { action: 'create' })).toBe('permit');
    expect(withConsents(foreign, [permit], { action: 'delete' })).toBe('default-deny');
  });

  it('disclosure is to others', () => {
    const rule = consent({ type: 'deny', action: [actionOf('disclose')] });
    expect(withConsents(practitioner, [rule])).toBe('permit');
    expect(withConsents(foreign, [rule, consent({ type: 'permit' })])).toBe('consent-deny');
  });
});

describe('what is not understood', () => {
  it.each<[string, Record<string, unknown>]>([
    ['a modifier of the Consent', { modifierExtension: [{ url: 'urn:x', valueBoolean: true }] }],
    ['implicit rules', { implicitRules: 'urn:x' }],
    ['a modifier of the root', { provision: { type: 'permit', modifierExtension: [{ url: 'urn:x' }] } }],
    [
      'a modifier of an exception',
      { provision: { type: 'permit', provision: [{ type: 'permit', modifierExtension: [{ url: 'urn:x' }] }] } },
    ],
    [
      'an element of another version',
      { provision: { type: 'permit', provision: [{ type: 'deny', expression: { language: 'text/cql' } }] } },
    ],
    [
      'an exception without a type',
      { provision: { type: 'permit', provision: [{ actor: [actor('Practitioner/lee')] }] } },
    ],
    [
      'an actor role about something else',
      { provision: { type: 'permit', provision: [{ type: 'deny', actor: [actor('Practitioner/lee', 'WIT')] }] } },
    ],
  ])('fails closed: %s', (_name, more) => {
    const resource = consent({ type: 'permit' }, more);
    expect(withConsents(practitioner, [resource])).toBe('consent-deny');
    expect(parseConsent(resource).notUnderstood.length).toBeGreaterThan(0);
    expect(
      decide(request(practitioner, { type: 'Observation', consents: [parseConsent(resource)] })).reasons,
    ).toContain('consent-not-understood');
  });

  it('takes hostile shapes without throwing', () => {
    for (const provision of [
      null,
      1,
      'x',
      [],
      { provision: 'x' },
      { actor: 'x', data: [1], code: null, period: [] },
      { type: 7, class: [{}] },
    ]) {
      const rule = parseConsent(consent(undefined, { provision, scope: 1, verification: 'x', policyRule: [] }));
      expect(() => decide(request(practitioner, { consents: [rule] }))).not.toThrow();
    }
    const wide = { type: 'permit', provision: Array.from({ length: 2000 }, () => ({ type: 'permit' })) };
    expect(withConsents(practitioner, [consent(wide)])).toBe('consent-deny');
    let deep: Record<string, unknown> = { type: 'permit' };
    for (let n = 0; n < 5000; n++) deep = { type: 'permit', provision: [deep] };
    expect(withConsents(practitioner, [consent(deep)])).toBe('consent-deny');
  });
});

describe('explain', () => {
  it('names the provisions that matched, the Consents left aside and the default', () => {
    const deny = consent({ type: 'permit', provision: [{ type: 'deny', securityLabel: [label.act('PSY')] }] });
    const old = consent({ type: 'deny' }, { status: 'inactive' });
    const explained = explain(
      request(practitioner, { type: 'Observation', consents: [deny, old].map(parseConsent) }, ['PSY']),
    );
    expect(explained).toMatchObject({
      outcome: 'denial',
      reasons: ['consent-deny'],
      combiner: 'deny-overrides/1 default/1',
      defaultRule: 'own-institution-treatment',
      consents: [
        {
          consent: `Consent/${deny.id}/_history/1`,
          aside: undefined,
          answer: { deny: true, permit: false, silent: false },
          provisions: [
            { path: 'Consent.provision', type: 'permit', match: 'yes' },
            { path: 'Consent.provision.provision[0]', type: 'deny', match: 'yes' },
          ],
        },
        { aside: 'not-active', provisions: [] },
      ],
    });
  });

  it('tells what the opened record decided', () => {
    const rule = consent({ type: 'permit', provision: [{ type: 'deny', dataPeriod: { start: '2026-06' } }] });
    const asked = request(practitioner, { type: 'Observation', consents: [parseConsent(rule)] });
    expect(explain(asked)).toMatchObject({ outcome: 'permit', reasons: ['consent-conditional'] });
    expect(explain(asked, record)).toMatchObject({ outcome: 'denial', reasons: ['record-refused'] });
  });

  it('stamps every decision with the version of the rule', () => {
    expect(decide(request(practitioner, { now: NOW }))).toMatchObject({
      combiner: 'deny-overrides/1 default/1',
      consents: [],
    });
  });
});
