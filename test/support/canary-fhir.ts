/** FHIR requests with canaries: resources that are taken, searches, and requests that must be refused, in URL, headers and body. */
import type { Canaries } from './canary.ts';

export interface FhirRequest {
  readonly method: string;
  /** Below the HTTP listener's base URL. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

type Json = Readonly<Record<string, unknown>>;

const FHIR = { 'content-type': 'application/fhir+json' };

const put = (type: string, id: string, resource: Json): FhirRequest => ({
  method: 'PUT',
  path: `/fhir/${type}/${id}`,
  headers: FHIR,
  body: JSON.stringify({ resourceType: type, id, ...resource }),
});
const get = (path: string, headers: FhirRequest['headers'] = {}): FhirRequest => ({ method: 'GET', path, headers });

/** Requests that are all taken, in order; the ids are chosen by the client and could be record numbers. */
export function goodRequests(canaries: Canaries): readonly FhirRequest[] {
  const c = (what: string): string => canaries.text(`fhir ${what}`);
  const patient = `${c('Patient.id')}-1`;
  const subject = { reference: `Patient/${patient}` };
  const coded = (what: string): Json => ({
    coding: [{ system: `urn:${c(`${what} system`)}`, code: c(`${what} code`), display: c(`${what} display`) }],
    text: c(`${what} text`),
  });
  const identifier = c('Patient.identifier');
  const family = c('Patient.name.family');
  const address = c('Patient.address.city');
  return [
    put('Patient', patient, {
      identifier: [
        { system: `urn:${c('identifier.system')}`, value: identifier, assigner: { display: c('assigner') } },
      ],
      name: [{ family, given: [c('given'), c('second given')], prefix: [c('prefix')], text: c('name.text') }],
      telecom: [{ system: 'phone', value: canaries.exact('fhir telecom', '5550628491736') }],
      gender: 'other',
      birthDate: canaries.exact('fhir birthDate', '1951-11-07'),
      address: [{ line: [c('line')], city: address, postalCode: c('postalCode'), country: c('country') }],
      maritalStatus: coded('maritalStatus'),
      photo: [{ contentType: 'image/png', data: Buffer.from(c('photo')).toString('base64'), title: c('photo.title') }],
      contact: [{ name: { family: c('contact') }, telecom: [{ system: 'email', value: c('contact.telecom') }] }],
      extension: [{ url: `urn:${c('extension.url')}`, valueString: c('extension') }],
      text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${c('narrative')}</div>` },
    }),
    put('Observation', `${c('Observation.id')}-2`, {
      status: 'final',
      code: coded('Observation.code'),
      subject,
      effectiveDateTime: '2025-03-11T10:15:00Z',
      valueString: c('Observation.value'),
      note: [{ text: c('note'), authorString: c('note.author') }],
      component: [
        {
          code: coded('component'),
          valueQuantity: { value: 5, unit: c('unit'), system: `urn:${c('unit system')}`, code: c('unit code') },
        },
      ],
    }),
    put('DocumentReference', `${c('DocumentReference.id')}-3`, {
      status: 'current',
      type: coded('DocumentReference.type'),
      subject,
      description: c('description'),
      content: [
        {
          attachment: {
            contentType: 'text/plain',
            data: Buffer.from(`Dear ${c('attachment')}`).toString('base64'),
            title: c('attachment.title'),
            url: `https://files.example/${c('attachment.url')}`,
          },
        },
      ],
    }),
    put('Consent', `${c('Consent.id')}-4`, {
      status: 'active',
      scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
      category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0', display: c('Consent.category') }] }],
      patient: subject,
      dateTime: '2025-01-01T00:00:00Z',
      organization: [{ display: c('Consent.organization') }],
      policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTIN' }] },
      provision: { type: 'permit' },
    }),
    {
      method: 'POST',
      path: '/fhir',
      headers: FHIR,
      body: JSON.stringify({
        resourceType: 'Bundle',
        type: 'transaction',
        entry: [
          {
            fullUrl: 'urn:uuid:2d1f7c3e-5f6a-4d2b-8c1e-0a9b8c7d6e5f',
            request: { method: 'POST', url: 'Condition' },
            resource: {
              resourceType: 'Condition',
              subject,
              code: coded('Condition.code'),
              note: [{ text: c('Condition.note') }],
            },
          },
        ],
      }),
    },
    get(`/fhir/Patient/${patient}`),
    get(`/fhir/Patient/${patient}/_history`),
    get(`/fhir/Patient?identifier=${identifier}`),
    get(`/fhir/Patient?name=${family}`),
    get(`/fhir/Observation?patient=${patient}`),
    {
      method: 'POST',
      path: '/fhir/Patient/_search',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: `family=${family}&birthdate=1951-11-07`,
    },
  ];
}

/** Requests that must be refused with a 4xx. */
export function badRequests(canaries: Canaries): readonly FhirRequest[] {
  const c = (what: string): string => canaries.text(`bad fhir ${what}`);
  const post = (type: string, body: string, headers: FhirRequest['headers'] = FHIR): FhirRequest => ({
    method: 'POST',
    path: `/fhir/${type}`,
    headers,
    body,
  });
  const resource = (fields: Json): string => JSON.stringify({ resourceType: 'Patient', ...fields });
  return [
    get(`/fhir/Patient/${c('unknown id')}`),
    get(`/fhir/${c('type')}`),
    get(`/fhir/${c('type of read')}/1`),
    get(`/${c('path')}?q=${c('query of no path')}`),
    get(`/ledger/${c('ledger path')}`),
    get(`/ledger/tile/0/${c('tile')}`),
    get(`/fhir/Patient?${c('parameter')}=1`),
    get(`/fhir/Patient?address=${c('unindexed value')}`),
    get(`/fhir/Patient?name:${c('modifier')}=x`),
    get(`/fhir/Patient?birthdate=${c('date')}`),
    get(`/fhir/Patient?_count=${c('count')}`),
    get(`/fhir/Patient?_sort=${c('sort')}`),
    get(`/fhir/Patient?_page=${c('cursor')}`),
    get(`/fhir/Patient?_format=${c('format')}`),
    get(`/fhir/Patient?gender=${c('gender')}`),
    get(`/fhir/Observation?subject:${c('target')}=x`),
    get(`/fhir/Patient?organization.${c('chain')}=x`),
    get(`/fhir/Patient?_has:${c('reverse chain')}=x`),
    get(`/fhir/Patient?name=%${c('escape')}`),
    get(`/fhir/Patient/1/_history/${c('version')}`),
    get('/fhir/Patient/1', { accept: `application/${c('accept')}` }),
    get('/fhir/Patient/1', { authorization: `Bearer ${c('token')}` }),
    get('/fhir/Patient/1', { authorization: c('authorization') }),
    get('/fhir/Patient/1', {
      'x-request-id': c('request id'),
      'user-agent': c('user agent'),
      referer: `https://${c('referer')}/`,
    }),
    { method: 'PATCH', path: `/fhir/Patient/${c('patched')}`, headers: FHIR, body: '{}' },
    { method: 'DELETE', path: `/fhir/Patient/${c('deleted')}`, headers: { 'if-match': `W/"${c('if-match')}"` } },
    { method: 'PROPFIND', path: `/fhir/${c('propfind')}` },
    post('Patient', `{"resourceType":"Patient","name":[{"family":"${c('broken JSON')}"`),
    post('Patient', c('no JSON')),
    post('Patient', `{"resourceType":"Patient","${c('member')}":"${c('member value')}"}`),
    post('Patient', `{"resourceType":"Patient","active":true,"active":"${c('twice')}"}`),
    post('Patient', resource({ birthDate: c('wrong date') })),
    post('Patient', resource({ gender: c('wrong code') })),
    post('Patient', resource({ name: c('wrong type') })),
    post('Patient', resource({ active: c('wrong boolean') })),
    post('Patient', resource({ extension: [{ url: c('extension without value') }] })),
    post('Patient', resource({ generalPractitioner: [{ reference: c('reference') }] })),
    post('Patient', JSON.stringify({ resourceType: c('resource type') })),
    post(
      'Observation',
      JSON.stringify({ resourceType: 'Observation', status: c('status'), code: { text: c('code') } }),
    ),
    post(
      'Observation',
      JSON.stringify({
        resourceType: 'Observation',
        status: 'final',
        code: { text: c('code b') },
        subject: { reference: `Patient/${c('subject')}` },
      }),
    ),
    post('Patient', resource({}), { 'content-type': `application/${c('content type')}` }),
    post('Patient', resource({}), { ...FHIR, 'content-encoding': c('content encoding') }),
    post('Patient', resource({}), { ...FHIR, 'if-none-exist': `identifier=${c('if-none-exist')}` }),
    { method: 'PUT', path: `/fhir/Patient/${c('put id')}`, headers: FHIR, body: resource({ id: c('other id') }) },
    { method: 'PUT', path: `/fhir/Patient/_${c('bad id')}`, headers: FHIR, body: resource({}) },
    post('', JSON.stringify({ resourceType: 'Bundle', type: c('bundle type'), entry: [] })),
    post(
      '',
      JSON.stringify({
        resourceType: 'Bundle',
        type: 'transaction',
        entry: [{ request: { method: c('method'), url: c('url') } }],
      }),
    ),
    post(
      '',
      JSON.stringify({
        resourceType: 'Bundle',
        type: 'transaction',
        entry: [
          {
            request: { method: 'POST', url: 'Patient' },
            resource: { resourceType: 'Patient', gender: c('in bundle') },
          },
        ],
      }),
    ),
  ];
}
