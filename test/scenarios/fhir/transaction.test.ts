import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFhirGateway, type Client, type FhirGateway } from '../../support/fhir-gateway.ts';
import { observationOf, patientOf } from '../../support/fhir-samples.ts';

let gateway: FhirGateway;
let doctor: Client;
beforeAll(async () => {
  gateway = await startFhirGateway();
  doctor = gateway.practitioner;
});
afterAll(() => gateway.close());

const post = (fullUrl: string, resource: any): object => ({
  fullUrl,
  resource,
  request: { method: 'POST', url: resource.resourceType },
});
const bundle = (...entry: object[]): object => ({ resourceType: 'Bundle', type: 'transaction', entry });
const PATIENT = 'urn:uuid:5f0c2c10-6d1d-4a1b-9a30-2f1b5a3a0001';
const about = (code: string): any => ({ ...observationOf('x', code, '2024-01-01'), subject: { reference: PATIENT } });

function idOf(location: string): string {
  return location.slice(gateway.base.length + 1).split('/')[1] ?? '';
}

describe('transaction', () => {
  it('creates, updates and deletes in one commit, references between entries resolved', async () => {
    const kept = (await doctor('POST', '/Patient', patientOf('t1'))).body.id;
    const dropped = (await doctor('POST', '/Patient', patientOf('t2'))).body.id;
    const reply = await doctor(
      'POST',
      '/',
      bundle(
        post('urn:uuid:5f0c2c10-6d1d-4a1b-9a30-2f1b5a3a0002', about('1-1')),
        post(PATIENT, patientOf('t3')),
        {
          resource: { ...patientOf('t1', 'New'), id: kept },
          request: { method: 'PUT', url: `Patient/${kept}`, ifMatch: 'W/"1"' },
        },
        { request: { method: 'DELETE', url: `Patient/${dropped}` } },
      ),
    );
    expect(reply.status, reply.text).toBe(200);
    expect(reply.body.entry.map((entry: any) => entry.response.status)).toEqual([
      '201 Created',
      '201 Created',
      '200 OK',
      '204 No Content',
    ]);
    const observation = await doctor('GET', reply.body.entry[0].response.location);
    expect(observation.body.subject.reference).toBe(`Patient/${idOf(reply.body.entry[1].response.location)}`);
    expect((await doctor('GET', `/Patient/${dropped}`)).status).toBe(410);
    expect((await doctor('GET', `/Patient/${kept}`)).body.name[0].family).toBe('New');
    expect(observation.headers.get('anamnesis-leaf')).toBe(reply.headers.get('anamnesis-leaf'));
  });

  it('stores nothing when one entry is refused', async () => {
    const kept = (await doctor('POST', '/Patient', patientOf('t4'))).body.id;
    const bad = [
      [422, post('urn:uuid:5f0c2c10-6d1d-4a1b-9a30-2f1b5a3a0003', { ...about('1-1'), status: 'nonsense' })],
      [
        422,
        post('urn:uuid:5f0c2c10-6d1d-4a1b-9a30-2f1b5a3a0003', {
          ...about('1-1'),
          subject: { reference: 'urn:uuid:5f0c2c10-6d1d-4a1b-9a30-2f1b5a3a9999' },
        }),
      ],
      [
        412,
        {
          resource: { ...patientOf('t4'), id: kept },
          request: { method: 'PUT', url: `Patient/${kept}`, ifMatch: 'W/"7"' },
        },
      ],
      [404, { request: { method: 'DELETE', url: 'Patient/never-there' } }],
      [409, { resource: { ...patientOf('t4'), id: 'taken' }, request: { method: 'PUT', url: 'Patient/taken' } }],
      [
        400,
        {
          ...post('urn:uuid:5f0c2c10-6d1d-4a1b-9a30-2f1b5a3a0003', about('1-1')),
          request: { method: 'POST', url: 'Observation', ifNoneExist: 'identifier=1' },
        },
      ],
      [400, { request: { method: 'GET', url: 'Patient/1' } }],
      [400, { request: { method: 'DELETE', url: 'Patient?identifier=1' } }],
      [
        422,
        post('urn:uuid:5f0c2c10-6d1d-4a1b-9a30-2f1b5a3a0003', {
          ...about('1-1'),
          performer: [{ reference: 'Practitioner?identifier=x|1' }],
        }),
      ],
      [422, post(PATIENT, patientOf('t5'))],
    ] as const;
    for (const [status, entry] of bad) {
      const reply = await doctor('POST', '/', bundle(post(PATIENT, patientOf('t5')), entry));
      expect(reply.status, `${JSON.stringify(entry)} ${reply.text}`).toBe(status);
      expect(reply.body.resourceType).toBe('OperationOutcome');
    }
    expect((await doctor('GET', '/Patient?identifier=urn:test:mrn|t5')).body.total).toBe(0);
  });

  it('refuses what is no transaction', async () => {
    expect((await doctor('POST', '/', { resourceType: 'Bundle', type: 'batch' })).status).toBe(400);
    expect((await doctor('POST', '/', patientOf('t6'))).status).toBe(422);
    expect((await doctor('POST', '/', bundle())).status).toBe(200);
    const twice = { resource: { ...patientOf('t7'), id: 'twice' }, request: { method: 'PUT', url: 'Patient/twice' } };
    expect((await doctor('POST', '/', bundle(twice, twice))).status).toBe(422);
  });

  it('refuses more patients than one manifest can name, and stores none of them', async () => {
    const many = Array.from({ length: 4100 }, () => ({
      resource: { resourceType: 'Patient', name: [{ family: 'Manyfold' }] },
      request: { method: 'POST', url: 'Patient' },
    }));
    const reply = await doctor('POST', '/', bundle(...many));
    expect(reply.status, reply.text).toBe(413);
    expect((await doctor('GET', '/Patient?name=manyfold')).body.total).toBe(0);
    expect((await doctor('POST', '/', bundle(...many.slice(0, 600)))).status).toBe(200);
    expect((await doctor('GET', '/Patient?name=manyfold&_total=accurate&_count=1')).body.total).toBe(600);
  });

  it('lets a subject be nothing but a Patient', async () => {
    const practitioner = { resourceType: 'Practitioner', name: [{ family: 'Doe' }] };
    const reply = await doctor(
      'POST',
      '/',
      bundle(post(PATIENT, practitioner), post('urn:uuid:5f0c2c10-6d1d-4a1b-9a30-2f1b5a3a0003', about('1-1'))),
    );
    expect(reply.status).toBe(422);
  });
});

const corpora = process.env.CORPORA_DIR;
if (corpora === undefined) console.log('CORPORA_DIR is not set: the Synthea bundles are not loaded');

describe.skipIf(corpora === undefined)('Synthea', () => {
  const folder = join(corpora ?? '', 'fhir/synthea');
  const files = corpora === undefined ? [] : readdirSync(folder).filter((name) => name.endsWith('.json'));

  it.each(files)('%s is loaded whole and read back resource by resource', async (name) => {
    const sent = JSON.parse(readFileSync(join(folder, name), 'utf8'));
    const text = readFileSync(join(folder, name), 'utf8');
    const reply = await doctor('POST', '/', text);
    expect(reply.status, reply.text.slice(0, 2000)).toBe(200);
    const references = new Map<string, string>();
    sent.entry.forEach((entry: any, i: number) => {
      const { location } = reply.body.entry[i].response;
      references.set(entry.fullUrl, location.slice(gateway.base.length + 1).replace(/\/_history\/1$/, ''));
    });
    const mapped = (value: unknown): unknown =>
      JSON.parse(JSON.stringify(value), (key, inner) =>
        (key === 'reference' || key === 'url') && references.has(inner) ? references.get(inner) : inner,
      );
    await Promise.all(
      sent.entry.map(async (entry: any) => {
        const read = await doctor('GET', `/${references.get(entry.fullUrl)}`);
        expect(read.status).toBe(200);
        const { id, meta, ...content } = read.body;
        const { versionId, lastUpdated, ...kept } = meta;
        const { id: _id, meta: sentMeta = {}, ...wanted } = entry.resource;
        const { versionId: _v, lastUpdated: _l, ...wantedMeta } = sentMeta;
        expect(content).toEqual(mapped(wanted));
        expect(kept).toEqual(wantedMeta);
        expect([versionId, typeof lastUpdated, typeof id]).toEqual(['1', 'string', 'string']);
      }),
    );
    const patient = references.get(sent.entry.find((entry: any) => entry.resource.resourceType === 'Patient').fullUrl);
    for (const type of ['Observation', 'Encounter', 'Claim']) {
      const count = sent.entry.filter((entry: any) => entry.resource.resourceType === type).length;
      const found = await doctor('GET', `/${type}?patient=${patient}&_count=500&_total=accurate`);
      expect(found.body.total, type).toBe(count);
    }
  });
});
