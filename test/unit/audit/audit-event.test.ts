import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { AccessEvent, AccessInteraction } from '../../../src/audit/access-event.ts';
import { AUDITED_REFERENCES, auditEventOf, reasonsOf } from '../../../src/audit/audit-event.ts';
import { subjectOf } from '../../../src/formats/fhir/references.ts';
import { validateResource } from '../../../src/formats/fhir/validate.ts';

const event: AccessEvent = {
  id: '0b5f2f6a-5d8e-4b63-8f7e-6f0d8a1c2b3d',
  recorded: Date.UTC(2026, 10, 22, 12, 30, 1, 250),
  interaction: 'read',
  outcome: 'permitted',
  reasons: ['own-institution-treatment'],
  combiner: 'deny-overrides/1 default/1',
  consents: [],
  principal: {
    issuer: 'https://stmary.example/anamnesis',
    subject: 'dr-lee',
    role: 'practitioner',
    client: 'anamnesis-cli',
    purpose: 'TREAT',
    scopes: [],
    ownInstitution: true,
    tokenId: '7f3c1a52-1111-4222-8333-944445555666',
  },
  patientId: '6a8e1d34-aaaa-4bbb-8ccc-000011112222',
  references: ['Observation/5d0c2a52-aaaa-4bbb-8ccc-000011112222/_history/1'],
  requestId: '1c3e5a7b-aaaa-4bbb-8ccc-000011112222',
  address: '127.0.0.1',
};
const ORIGIN = 'stmary.example/anamnesis';
const errors = (resource: unknown) => validateResource(resource).filter((issue) => issue.severity === 'error');

describe('auditEventOf', () => {
  it.each<[AccessInteraction, Partial<AccessEvent>]>([
    ['read', {}],
    ['vread', {}],
    ['history-instance', {}],
    ['search-type', { query: 'Observation?patient=p1&code=http://loinc.org|2345-7', count: 12 }],
    ['create', { outcome: 'denied', reasons: ['patient-may-not-write'] }],
    ['update', { outcome: 'denied', consents: ['Consent/c1/_history/3'] }],
    ['delete', { outcome: 'not-found', patientId: undefined, references: [] }],
    ['transaction', { count: 3 }],
  ])('is valid R4 for %s', (interaction, more) => {
    expect(errors(auditEventOf({ ...event, ...more, interaction }, ORIGIN))).toEqual([]);
  });

  it('has the agents, entities and outcome of BALP PatientRead', () => {
    const resource = auditEventOf(event, ORIGIN);
    expect(resource).toMatchObject({
      action: 'R',
      outcome: '0',
      recorded: '2026-11-22T12:30:01.250Z',
      agent: [
        { type: { coding: [{ code: '110152' }] }, requestor: false, network: { address: '127.0.0.1', type: '2' } },
        { type: { coding: [{ code: '110153' }] }, who: { identifier: { value: ORIGIN } } },
        {
          type: { coding: [{ code: 'IRCP' }] },
          who: { identifier: { system: 'https://stmary.example/anamnesis', value: 'dr-lee' } },
          policy: ['urn:ietf:params:oauth:jti:7f3c1a52-1111-4222-8333-944445555666'],
          purposeOfUse: [{ coding: [{ code: 'TREAT' }] }],
        },
      ],
      entity: [
        { what: { reference: 'Patient/6a8e1d34-aaaa-4bbb-8ccc-000011112222' }, role: { code: '1' } },
        { what: { reference: 'Observation/5d0c2a52-aaaa-4bbb-8ccc-000011112222/_history/1' }, role: { code: '4' } },
        { what: { identifier: { value: '1c3e5a7b-aaaa-4bbb-8ccc-000011112222' } } },
      ],
    });
    expect(reasonsOf(resource)).toEqual(['permitted', 'own-institution-treatment', 'deny-overrides/1 default/1']);
  });

  it('belongs to the patient that it is about', () => {
    expect(subjectOf(auditEventOf(event, ORIGIN))).toBe('Patient/6a8e1d34-aaaa-4bbb-8ccc-000011112222');
  });

  it('keeps the query of a search, and tells a denial apart from a success', () => {
    const query = 'Observation?patient=p1&code=a|b';
    const resource = auditEventOf({ ...event, interaction: 'search-type', query, count: 0, outcome: 'denied' }, ORIGIN);
    const entities = resource.entity as { query?: string }[];
    expect(Buffer.from(entities.find((entity) => entity.query)?.query ?? '', 'base64').toString()).toBe(query);
    expect(resource.outcome).toBe('4');
  });

  it('stays small for a read, and bounded for a search', () => {
    const bytes = Buffer.from(JSON.stringify(auditEventOf(event, ORIGIN)));
    expect(bytes.length).toBeLessThan(2300);
    expect(deflateRawSync(bytes).length).toBeLessThan(1000);
    const many = Array.from({ length: 500 }, (_, n) => `Observation/${n}/_history/1`);
    const search = auditEventOf({ ...event, interaction: 'search-type', references: many, count: 500 }, ORIGIN);
    expect(search.entity).toHaveLength(AUDITED_REFERENCES + 2);
    expect(JSON.stringify(search)).toContain('500 records');
  });
});
