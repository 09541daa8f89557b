/** What a Consent refuses of a record it refuses of the document that the record came with, though a Binary has no code, class or date. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startFhirGateway, type Client, type FhirGateway } from '../../support/fhir-gateway.ts';
import { patientOf } from '../../support/fhir-samples.ts';
import { consent } from '../../unit/consent/fixtures.ts';

const LETTER = '34133-9';
let gateway: FhirGateway;
let system: Client;
beforeAll(async () => {
  gateway = await startFhirGateway();
  system = await gateway.as({ role: 'system', subject: 'ehr' });
});
afterAll(() => gateway.close());

interface Letter {
  readonly id: string;
  /** `Binary/<id>`. */
  readonly content: string;
}

let serial = 0;
async function newPatient(): Promise<string> {
  serial += 1;
  return (await system('POST', '/Patient', patientOf(`binary-${serial}`))).body.id;
}

async function letter(patient: string, fill: number, code = LETTER): Promise<Letter> {
  const { body, status } = await system('POST', '/DocumentReference', {
    resourceType: 'DocumentReference',
    status: 'current',
    date: '2024-03-01T00:00:00Z',
    type: { coding: [{ system: 'http://loinc.org', code }] },
    subject: { reference: `Patient/${patient}` },
    content: [{ attachment: { contentType: 'application/pdf', data: Buffer.alloc(90_000, fill).toString('base64') } }],
  });
  expect(status).toBe(201);
  return { id: body.id, content: body.content[0].attachment.url };
}

async function deny(patient: string, what: object): Promise<void> {
  const {
    id: _,
    meta: __,
    ...resource
  } = consent(
    { type: 'permit', provision: [{ type: 'deny', ...what }] },
    {
      patient: { reference: `Patient/${patient}` },
      policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTIN' }] },
    },
  );
  const own = await gateway.as({ role: 'patient', subject: `p-${patient}`, patient });
  expect((await own('POST', '/Consent', resource)).status).toBe(201);
}

const statusOf = async (path: string, accept = 'application/pdf', client = gateway.practitioner): Promise<number> =>
  (await client('GET', `/${path}`, undefined, { accept })).status;

async function countBlobs(): Promise<number> {
  let count = 0;
  for await (const _ of gateway.blobs.list()) count += 1;
  return count;
}

const denials: readonly (readonly [string, (letter: Letter) => object])[] = [
  ['code', () => ({ code: [{ coding: [{ system: 'http://loinc.org', code: LETTER }] }] })],
  ['class', () => ({ class: [{ system: 'http://hl7.org/fhir/resource-types', code: 'DocumentReference' }] })],
  ['date', () => ({ dataPeriod: { start: '2024-02-28', end: '2024-03-02' } })],
  ['name', ({ id }) => ({ data: [{ meaning: 'instance', reference: { reference: `DocumentReference/${id}` } }] })],
];

it.each(denials)('a document of a record that is denied by its %s', async (_name, what) => {
  const patient = await newPatient();
  const denied = await letter(patient, 1);
  expect(await statusOf(denied.content)).toBe(200);
  await deny(patient, what(denied));
  expect(await statusOf(`DocumentReference/${denied.id}`, 'application/fhir+json')).toBe(403);
  for (const path of [denied.content, `${denied.content}/_history/1`]) {
    expect(await statusOf(path), path).toBe(403);
    expect(await statusOf(path, 'application/fhir+json'), path).toBe(403);
  }
  const own = await gateway.as({ role: 'patient', subject: 'own', patient });
  expect(await statusOf(denied.content, 'application/pdf', own)).toBe(200);
  const trail = await own('GET', `/AuditEvent?patient=${patient}&_count=100`);
  const told = trail.body.entry.filter(({ resource }: any) => JSON.stringify(resource).includes(denied.content));
  expect(told.filter(({ resource }: any) => resource.outcome === '4')).toHaveLength(4);
});

it('a document that came with two records is stored once, and read by whoever may read one of them', async () => {
  const patient = await newPatient();
  const one = await letter(patient, 2);
  const before = await countBlobs();
  const other = await letter(patient, 2, '11488-4');
  expect(other.content).toBe(one.content);
  expect(await countBlobs()).toBe(before);
  await deny(patient, denials[0][1](one));
  expect(await statusOf(one.content)).toBe(200);
  expect((await system('DELETE', `/DocumentReference/${other.id}`)).status).toBe(204);
  expect(await statusOf(one.content)).toBe(403);
});
