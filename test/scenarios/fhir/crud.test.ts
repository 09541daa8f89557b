import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFhirGateway, type Client, type FhirGateway } from '../../support/fhir-gateway.ts';
import { denyAll, observationOf, patientOf } from '../../support/fhir-samples.ts';

let gateway: FhirGateway;
let doctor: Client;
beforeAll(async () => {
  gateway = await startFhirGateway();
  doctor = gateway.practitioner;
});
afterAll(() => gateway.close());

async function newPatient(mrn: string): Promise<string> {
  const created = await doctor('POST', '/Patient', patientOf(mrn));
  expect(created.status, created.text).toBe(201);
  return created.body.id;
}

describe('create and read', () => {
  it('gives back what was sent, with id, version, entity tag and the leaf that anchors it', async () => {
    const created = await doctor('POST', '/Patient', patientOf('c1'));
    expect(created.status).toBe(201);
    const { id } = created.body;
    expect(created.headers.get('location')).toBe(`${gateway.base}/Patient/${id}/_history/1`);
    expect(created.headers.get('etag')).toBe('W/"1"');
    expect(created.headers.get('anamnesis-leaf')).toMatch(/^\d+$/);
    const read = await doctor('GET', `/Patient/${id}`);
    expect(read.status).toBe(200);
    expect(read.body).toEqual(created.body);
    expect(read.headers.get('etag')).toBe('W/"1"');
    expect(read.headers.get('last-modified')).toBeTruthy();
    expect(read.headers.get('anamnesis-leaf')).toBe(created.headers.get('anamnesis-leaf'));
    expect(read.headers.get('content-type')).toBe('application/fhir+json; charset=utf-8');
    const { id: _id, meta: _meta, ...content } = read.body;
    expect(content).toEqual(patientOf('c1'));
  });

  it('keeps decimals as they were written', async () => {
    const patient = await newPatient('c2');
    const text = JSON.stringify(observationOf(patient, '718-7', '2024-05-01')).replace('"value":5', '"value":5.10');
    const created = await doctor('POST', '/Observation', text);
    expect(created.text).toContain('"value":5.10');
    expect((await doctor('GET', `/Observation/${created.body.id}`)).text).toContain('"value":5.10');
  });

  it('answers 404 for what is unknown, for unknown types and for what is no id', async () => {
    for (const path of ['/Patient/none', '/Patient/bad%20id', '/DicomInstance/1', '/Foo/1', '/CodeSystem/1']) {
      const reply = await doctor('GET', path);
      expect(reply.status, path).toBe(404);
      expect(reply.body.resourceType).toBe('OperationOutcome');
    }
  });

  it('answers 304 to who has the version already', async () => {
    const patient = await newPatient('c3');
    const reply = await doctor('GET', `/Patient/${patient}`, undefined, { 'if-none-match': 'W/"1"' });
    expect(reply.status).toBe(304);
    expect(reply.text).toBe('');
  });

  it('returns as little as is preferred', async () => {
    const minimal = await doctor('POST', '/Patient', patientOf('c4'), { prefer: 'return=minimal' });
    expect([minimal.status, minimal.text]).toEqual([201, '']);
    const outcome = await doctor('POST', '/Patient', patientOf('c5'), { prefer: 'return=OperationOutcome' });
    expect(outcome.body.resourceType).toBe('OperationOutcome');
    expect((await doctor('POST', '/Patient', patientOf('c6'), { prefer: 'return=nothing' })).status).toBe(400);
    expect((await doctor('POST', '/Patient', patientOf('c6'), { prefer: 'handling=lenient' })).status).toBe(400);
  });
});

describe('update and delete', () => {
  it('makes versions, guards them with If-Match, and keeps deleted ones in the history', async () => {
    const id = await newPatient('u1');
    const second = await doctor(
      'PUT',
      `/Patient/${id}`,
      { ...patientOf('u1', 'Renamed'), id },
      { 'if-match': 'W/"1"' },
    );
    expect([second.status, second.headers.get('etag')]).toEqual([200, 'W/"2"']);
    const stale = await doctor('PUT', `/Patient/${id}`, { ...patientOf('u1', 'Lost'), id }, { 'if-match': 'W/"1"' });
    expect(stale.status).toBe(412);
    const same = await doctor('PUT', `/Patient/${id}`, { ...patientOf('u1', 'Renamed'), id });
    expect([same.status, same.headers.get('etag')]).toEqual([200, 'W/"2"']);
    const gone = await doctor('DELETE', `/Patient/${id}`);
    expect(gone.status).toBe(204);
    expect((await doctor('GET', `/Patient/${id}`)).status).toBe(410);
    expect((await doctor('GET', `/Patient/${id}/_history/3`)).status).toBe(410);
    expect((await doctor('DELETE', `/Patient/${id}`)).status).toBe(204);
    const first = await doctor('GET', `/Patient/${id}/_history/1`);
    expect([first.status, first.body.name[0].family]).toEqual([200, 'Tester']);
    expect((await doctor('GET', `/Patient/${id}/_history/9`)).status).toBe(404);
    expect((await doctor('GET', `/Patient/${id}/_history/x`)).status).toBe(404);
    const history = await doctor('GET', `/Patient/${id}/_history`);
    expect(history.body.entry.map((entry: any) => [entry.request.method, entry.response.etag])).toEqual([
      ['DELETE', 'W/"3"'],
      ['PUT', 'W/"2"'],
      ['POST', 'W/"1"'],
    ]);
  });

  it('pages the history', async () => {
    const id = await newPatient('u2');
    for (let i = 0; i < 4; i += 1) await doctor('PUT', `/Patient/${id}`, { ...patientOf('u2', `Name${i}`), id });
    let url = `/Patient/${id}/_history?_count=2`;
    const versions: string[] = [];
    for (let page = 0; page < 5 && url !== ''; page += 1) {
      const { body } = await doctor('GET', url);
      versions.push(...body.entry.map((entry: any) => entry.resource.meta.versionId));
      url = body.link.find((link: any) => link.relation === 'next')?.url ?? '';
    }
    expect(versions).toEqual(['5', '4', '3', '2', '1']);
  });

  it('creates at an id that the client chose, and refuses an identifier that belongs to another', async () => {
    const created = await doctor('PUT', '/Patient/chosen-1', { ...patientOf('u3'), id: 'chosen-1' });
    expect([created.status, created.headers.get('location')]).toEqual([
      201,
      `${gateway.base}/Patient/chosen-1/_history/1`,
    ]);
    const other = await doctor('PUT', '/Patient/chosen-2', { ...patientOf('u3'), id: 'chosen-2' });
    expect(other.status).toBe(409);
    const wrong = await doctor('PUT', '/Patient/chosen-3', { ...patientOf('u4'), id: 'chosen-4' });
    expect(wrong.status).toBe(400);
  });

  it('refuses a resource without its patient, with an unknown one, and a change of subject', async () => {
    const orphan = await doctor('POST', '/Observation', { ...observationOf('x', '1-1', '2024'), subject: undefined });
    expect(orphan.status, orphan.text).toBe(422);
    expect((await doctor('POST', '/Observation', observationOf('nobody', '1-1', '2024'))).status).toBe(422);
    const [one, two] = [await newPatient('u5'), await newPatient('u6')];
    const created = await doctor('POST', '/Observation', observationOf(one, '1-1', '2024'));
    const { id } = created.body;
    const moved = await doctor('PUT', `/Observation/${id}`, { ...observationOf(two, '1-1', '2024'), id });
    expect(moved.status).toBe(422);
    expect((await doctor('DELETE', '/Observation/never')).status).toBe(404);
  });
});

describe('validation', () => {
  it('names every fault by its place, without values', async () => {
    const id = await newPatient('v1');
    const reply = await doctor('POST', '/Observation', {
      ...observationOf(id, '1-1', '2024-13-77'),
      status: 'SECRET-STATUS',
      secretElement: 1,
    });
    expect(reply.status).toBe(422);
    const places = reply.body.issue.flatMap((issue: any) => issue.expression);
    expect(places).toEqual(expect.arrayContaining(['Observation.status', 'Observation.effective']));
    expect(reply.text).not.toContain('SECRET');
    expect(reply.text).not.toContain('2024-13-77');
  });

  it('does not let a client write what only the gateway writes', async () => {
    const id = await newPatient('v2');
    const tombstone = {
      ...observationOf(id, '1-1', '2024'),
      meta: { tag: [{ system: 'https://anamnesis.health/fhir/tag', code: 'deleted' }] },
    };
    expect((await doctor('POST', '/Observation', tombstone)).status).toBe(422);
    expect((await doctor('POST', '/AuditEvent', { resourceType: 'AuditEvent' })).status).toBe(405);
  });
});

describe('consent and audit', () => {
  it('refuses after the patient said no; patient reads own data and the trail of both', async () => {
    const id = await newPatient('a1');
    const observation = (await doctor('POST', '/Observation', observationOf(id, '718-7', '2024-05-01'))).body.id;
    expect((await doctor('GET', `/Observation/${observation}`)).status).toBe(200);
    const patient = await gateway.as({ role: 'patient', patient: id, subject: 'ada' });
    const consent = await patient('POST', '/Consent', denyAll(id));
    expect(consent.status, consent.text).toBe(201);
    const refused = await doctor('GET', `/Observation/${observation}`);
    expect(refused.status).toBe(403);
    expect((await doctor('GET', `/Observation?patient=${id}`)).body.entry).toBeUndefined();
    const update = { ...observationOf(id, '718-7', '2024-05-01', 9), id: observation };
    const written = await doctor('PUT', `/Observation/${observation}`, update);
    expect([200, 403]).toContain(written.status);
    expect((await patient('GET', `/Observation/${observation}`)).status).toBe(200);
    const trail = await patient('GET', `/AuditEvent?patient=${id}`);
    expect(trail.status, trail.text).toBe(200);
    const outcomes = trail.body.entry.map(({ resource }: any) => [resource.subtype[0].code, resource.outcome]);
    expect(outcomes).toEqual(
      expect.arrayContaining([
        ['read', '0'],
        ['read', '4'],
      ]),
    );
    expect(JSON.stringify(trail.body)).toContain(`Observation/${observation}/_history/1`);
    // The withdrawal of the Consent lets the doctor in again.
    await patient('PUT', `/Consent/${consent.body.id}`, { ...consent.body, status: 'inactive' });
    expect((await doctor('GET', `/Observation/${observation}`)).status).toBe(200);
  });

  it('shows nothing of one patient to another, nor that there is one', async () => {
    const one = await newPatient('a2');
    const two = await newPatient('a3');
    const patient = await gateway.as({ role: 'patient', patient: two, subject: 'bea' });
    const hidden = await patient('GET', `/Patient/${one}`);
    const absent = await patient('GET', '/Patient/does-not-exist');
    expect(hidden.status).toBe(404);
    expect(hidden.text).toBe(absent.text);
    expect((await patient('GET', `/Patient?_id=${one}`)).body.entry).toBeUndefined();
    expect((await patient('GET', `/Patient`)).body.entry.map((entry: any) => entry.resource.id)).toEqual([two]);
    expect((await patient('POST', '/Observation', observationOf(two, '1-1', '2024'))).status).toBe(403);
    expect((await patient('PUT', `/Patient/${one}`, { ...patientOf('a2'), id: one })).status).toBe(404);
    expect((await patient('DELETE', `/Patient/${one}`)).status).toBe(404);
  });
});
