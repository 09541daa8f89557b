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

async function newPatient(mrn: string, family?: string): Promise<string> {
  const created = await doctor('POST', '/Patient', patientOf(mrn, family));
  expect(created.status, created.text).toBe(201);
  return created.body.id;
}

async function observe(patient: string, code: string, date: string, value?: number): Promise<string> {
  const created = await doctor('POST', '/Observation', observationOf(patient, code, date, value));
  expect(created.status, created.text).toBe(201);
  return created.body.id;
}

/** Ids of all pages. */
async function everyPage(client: Client, path: string): Promise<string[]> {
  const ids: string[] = [];
  let next: string | undefined = path;
  for (let page = 0; next !== undefined && page < 100; page += 1) {
    const reply = await client('GET', next);
    expect(reply.status, reply.text).toBe(200);
    ids.push(...(reply.body.entry ?? []).map((entry: any) => entry.resource.id));
    next = reply.body.link.find((link: any) => link.relation === 'next')?.url;
  }
  return ids;
}

describe('search', () => {
  it('finds by id, identifier, patient, code, date, category and status', async () => {
    const id = await newPatient('s1', 'Searchwell');
    const old = await observe(id, '718-7', '2023-01-02T10:00:00Z');
    const recent = await observe(id, '2345-7', '2024-06-01T10:00:00Z');
    const other = await newPatient('s2');
    await observe(other, '718-7', '2024-01-01');
    const found = async (query: string): Promise<string[]> => everyPage(doctor, query);
    expect(await found(`/Patient?_id=${id}`)).toEqual([id]);
    expect(await found('/Patient?identifier=urn:test:mrn|s1')).toEqual([id]);
    expect(await found('/Patient?identifier=s1')).toEqual([id]);
    expect(await found('/Patient?name=searchw')).toEqual([id]);
    expect(await found('/Patient?family=Searchwell&birthdate=1970-03-04')).toEqual([id]);
    expect(await found(`/Observation?patient=${id}`)).toEqual([recent, old]);
    expect(await found(`/Observation?subject=Patient/${id}&code=http://loinc.org|718-7`)).toEqual([old]);
    expect(await found(`/Observation?patient=Patient/${id}&date=ge2024`)).toEqual([recent]);
    expect(await found(`/Observation?patient=${id}&date=2023-01-02`)).toEqual([old]);
    expect(await found(`/Observation?patient=${id}&category=laboratory`)).toEqual([recent, old]);
    expect(await found(`/Observation?patient=${id}&status=final,amended&code=2345-7,718-7`)).toEqual([recent, old]);
    expect(await found(`/Observation?patient=${id}&status=cancelled`)).toEqual([]);
    expect(await found('/Observation?patient=unknown-patient')).toEqual([]);
    expect(await found(`/Observation?_id=${old},${recent},nobody&patient=${id}`)).toEqual([old, recent]);
    expect(await found(`/Observation?patient=${gateway.base}/Patient/${id}`)).toEqual([recent, old]);
    expect((await found('/Observation?code=718-7')).length).toBe(2);
  });

  it('gives an exact total where everything fits the page or it is asked for', async () => {
    const id = await newPatient('s3');
    for (let day = 1; day <= 5; day += 1) await observe(id, '718-7', `2024-02-0${day}`);
    expect((await doctor('GET', `/Observation?patient=${id}`)).body.total).toBe(5);
    expect((await doctor('GET', `/Observation?patient=${id}&_count=2`)).body.total).toBeUndefined();
    const first = await doctor('GET', `/Observation?patient=${id}&_count=2&_total=accurate`);
    expect(first.body.total).toBe(5);
    const next = first.body.link.find((link: any) => link.relation === 'next').url;
    expect(next).not.toContain(id);
    expect((await doctor('GET', next)).body.total).toBe(5);
  });

  it('pages are stable while records are written, changed and deleted', async () => {
    const id = await newPatient('s4');
    const ids: string[] = [];
    for (let i = 0; i < 12; i += 1)
      ids.push(await observe(id, '718-7', `2024-03-${String(i + 1).padStart(2, '0')}`, i + 1));
    const newest = ids.toReversed();
    const first = await doctor('GET', `/Observation?patient=${id}&_count=5`);
    const seen = first.body.entry.map((entry: any) => entry.resource.id);
    // Between the pages: a new one, a change of what was seen, of what was not, and a deletion.
    await observe(id, '718-7', '2024-03-07T12:00:00Z');
    for (const at of [0, 11]) {
      const changed = { ...observationOf(id, '718-7', '2024-03-01', 99), id: newest[at] };
      expect((await doctor('PUT', `/Observation/${newest[at]}`, changed)).status).toBe(200);
    }
    await doctor('DELETE', `/Observation/${newest[8]}`);
    const next = first.body.link.find((link: any) => link.relation === 'next').url;
    const rest = await everyPage(doctor, next);
    expect([...seen, ...rest]).toEqual(newest);
  });

  it('pages through many lines of one message without loss or repetition', async () => {
    const patient = {
      fullUrl: 'urn:uuid:9e1a6d4c-0000-4000-8000-000000000000',
      resource: patientOf('s5'),
      request: { method: 'POST', url: 'Patient' },
    };
    const entries = Array.from({ length: 150 }, (_, i) => ({
      fullUrl: `urn:uuid:9e1a6d4c-0000-4000-8000-${String(i + 1).padStart(12, '0')}`,
      resource: {
        ...observationOf('x', '718-7', `2024-04-${String((i % 3) + 1).padStart(2, '0')}`, i + 1),
        subject: { reference: patient.fullUrl },
      },
      request: { method: 'POST', url: 'Observation' },
    }));
    const bundle = {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [...entries.slice(0, 70), patient, ...entries.slice(70)],
    };
    const stored = await doctor('POST', '/', bundle);
    expect(stored.status, stored.text).toBe(200);
    const id = stored.body.entry[70].response.location.split('/').at(-3);
    for (const count of [7, 64, 150]) {
      const ids = await everyPage(doctor, `/Observation?patient=${id}&_count=${count}`);
      expect(ids.length, String(count)).toBe(150);
      expect(new Set(ids).size).toBe(150);
    }
  });

  it('does not find superseded or deleted versions', async () => {
    const id = await newPatient('s6');
    const observation = await observe(id, '718-7', '2024-01-01');
    await doctor('PUT', `/Observation/${observation}`, {
      ...observationOf(id, '2345-7', '2024-01-01'),
      id: observation,
    });
    expect(await everyPage(doctor, `/Observation?patient=${id}&code=718-7`)).toEqual([]);
    expect(await everyPage(doctor, `/Observation?patient=${id}&code=2345-7`)).toEqual([observation]);
    await doctor('DELETE', `/Observation/${observation}`);
    expect(await everyPage(doctor, `/Observation?patient=${id}`)).toEqual([]);
    expect(await everyPage(doctor, `/Observation?_id=${observation}`)).toEqual([]);
  });

  it('searches by a form as well', async () => {
    const id = await newPatient('s7');
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const reply = await doctor('POST', '/Patient/_search', 'identifier=urn%3Atest%3Amrn%7Cs7', form);
    expect(reply.status, reply.text).toBe(200);
    expect(reply.body.entry[0].resource.id).toBe(id);
  });

  it('refuses what it does not support, by name', async () => {
    const refused = [
      ['/Patient?foo=1', 'foo'],
      ['/Patient?_include=Patient:link', '_include'],
      ['/Patient?_sort=name', '_sort'],
      ['/Patient?_summary=count', '_summary'],
      ['/Patient?_elements=id', '_elements'],
      ['/Patient?_has:Observation:patient:code=1', '_has'],
      ['/Observation?subject.name=x', 'subject.name'],
      ['/Observation?code:in=x', 'code:in'],
      ['/Observation?date=ap2024', 'date'],
      ['/Observation?date=yesterday', 'date'],
      ['/Patient?_count=none', '_count'],
      ['/Patient?_cursor=garbage', '_cursor'],
      ['/Patient?gender=female', 'name'],
      ['/Patient?birthdate=1970-03-04', 'name'],
      ['/Patient?_pretty=true', '_pretty'],
      ['/Patient?_lastUpdated:foo=2020', '_lastUpdated'],
    ] as const;
    for (const [path, name] of refused) {
      const reply = await doctor('GET', path);
      expect(reply.status, path).toBe(400);
      expect(reply.body.resourceType, path).toBe('OperationOutcome');
      expect(reply.body.issue[0].diagnostics, path).toContain(name);
    }
    expect((await doctor('GET', '/Patient?_format=xml')).status).toBe(406);
    expect((await doctor('GET', '/Patient?_id=x&_format=json')).status).toBe(200);
    expect((await doctor('GET', '/Patient?_id=%FF')).status).toBe(400);
    expect((await doctor('GET', '/')).status).toBe(405);
    expect((await doctor('GET', '/_history')).status).toBe(400);
    expect((await doctor('GET', '/Patient/$everything')).status).toBe(400);
    expect((await doctor('GET', '/Patient/_history')).status).toBe(400);
    expect((await doctor('PATCH', '/Patient/1', {})).status).toBe(405);
    expect((await doctor('POST', '/Patient', patientOf('s9'), { 'if-none-exist': 'identifier=s9' })).status).toBe(400);
    expect((await doctor('DELETE', '/Patient?identifier=s9')).status).toBe(405);
    expect((await doctor('GET', '/Patient/1?_elements=id')).status).toBe(400);
  });

  it('shows nothing of a patient who denies, not even in a total', async () => {
    const [open, closed] = [await newPatient('s10', 'Zyxwvut'), await newPatient('s11', 'Zyxwvut')];
    await observe(open, '99999-1', '2024-01-01');
    await observe(closed, '99999-1', '2024-01-01');
    expect((await doctor('GET', '/Observation?code=99999-1')).body.total).toBe(2);
    const patient = await gateway.as({ role: 'patient', patient: closed, subject: 'p' });
    await patient('POST', '/Consent', denyAll(closed));
    const reply = await doctor('GET', '/Observation?code=99999-1&_total=accurate');
    expect(reply.body.total).toBe(1);
    expect(reply.body.entry.map((entry: any) => entry.resource.subject.reference)).toEqual([`Patient/${open}`]);
    expect((await doctor('GET', '/Patient?name=zyxw')).body.entry.map((entry: any) => entry.resource.id)).toEqual([
      open,
    ]);
    expect((await doctor('GET', `/Observation?patient=${closed}`)).body.total).toBe(0);
    const trail = await patient('GET', `/AuditEvent?patient=${closed}`);
    const searches = trail.body.entry
      .map(({ resource }: any) => resource)
      .filter((event: any) => event.subtype[0].code === 'search-type' && event.outcome === '4');
    expect(searches.length).toBe(1);
  });

  it('gives a page to nobody but who asked for the first one', async () => {
    const id = await newPatient('s12');
    for (let day = 1; day <= 3; day += 1) await observe(id, '718-7', `2024-05-0${day}`);
    const first = await doctor('GET', `/Observation?patient=${id}&_count=1`);
    const next = first.body.link.find((link: any) => link.relation === 'next').url;
    const other = await gateway.as({ role: 'practitioner', subject: 'dr-other' });
    expect((await other('GET', next)).status).toBe(400);
    expect((await doctor('GET', `${next}x`)).status).toBe(400);
    expect((await doctor('GET', next.replace('/Observation?', '/Patient?'))).status).toBe(400);
    expect((await doctor('GET', `${next}&code=1`)).status).toBe(400);
  });
});
