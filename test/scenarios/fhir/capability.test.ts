import { Client as FhirKitClient } from 'fhir-kit-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFhirGateway, type FhirGateway } from '../../support/fhir-gateway.ts';
import { observationOf, patientOf } from '../../support/fhir-samples.ts';

let gateway: FhirGateway;
beforeAll(async () => {
  gateway = await startFhirGateway();
});
afterAll(() => gateway.close());

/** A value that each kind of parameter can take. */
const VALUES: Readonly<Record<string, string>> = {
  token: 'x',
  string: 'abcd',
  reference: 'Patient/x',
  date: '2024-05-01',
  uri: 'urn:x',
  number: '5',
  quantity: '5.4',
};

describe('the CapabilityStatement', () => {
  it('lists search parameters that all work, alone or beside one that narrows', async () => {
    const doctor = gateway.practitioner;
    const { body } = await doctor('GET', '/metadata');
    expect(body.fhirVersion).toBe('4.0.1');
    const [{ resource: types }] = body.rest;
    expect(types.length).toBeGreaterThan(60);
    let tried = 0;
    for (const { type, searchParam } of types) {
      const narrow = searchParam.some(({ name }: any) => name === 'patient') ? 'patient=x' : '_id=x';
      await Promise.all(
        searchParam.map(async ({ name, type: kind }: any) => {
          const beside = name === 'patient' || name === '_id' ? '' : `&${narrow}`;
          const path = `/${type}?${name}=${VALUES[kind]}${beside}`;
          const reply = await doctor('GET', path);
          expect(reply.status, `${path} ${reply.text}`).toBe(200);
        }),
      );
      tried += searchParam.length;
    }
    expect(tried).toBeGreaterThan(900);
  });

  it('lists interactions that all work', async () => {
    const doctor = gateway.practitioner;
    const { body } = await doctor('GET', '/metadata');
    const [{ resource: types }] = body.rest;
    for (const { type, interaction } of types) {
      const codes = interaction.map(({ code }: any) => code);
      const status = async (method: string, path: string, sent?: object): Promise<number> =>
        (await doctor(method, path, sent)).status;
      expect([404, 410], type).toContain(await status('GET', `/${type}/none`));
      expect(await status('GET', `/${type}/none/_history`), type).toBe(404);
      expect(await status('GET', `/${type}/none/_history/1`), type).toBe(404);
      expect(await status('POST', `/${type}`, { resourceType: type, bogus: 1 }), type).toBe(
        codes.includes('create') ? 422 : 405,
      );
      expect(await status('PUT', `/${type}/none`, { resourceType: type, bogus: 1 }), type).toBe(
        codes.includes('update') ? 422 : 405,
      );
      expect(await status('DELETE', `/${type}/none`), type).toBe(codes.includes('delete') ? 404 : 405);
    }
  });
});

describe('a client that we did not write', () => {
  it('creates, reads, updates, searches, pages and deletes', async () => {
    const token = await gateway.token({ role: 'practitioner' });
    const client: any = new FhirKitClient({ baseUrl: gateway.base, bearerToken: token });
    const statement = await client.capabilityStatement();
    expect(statement.resourceType).toBe('CapabilityStatement');
    const patient = await client.create({ resourceType: 'Patient', body: patientOf('kit-1', 'Kitson') });
    expect(patient.id).toBeTruthy();
    for (let day = 1; day <= 5; day += 1) {
      await client.create({ resourceType: 'Observation', body: observationOf(patient.id, '718-7', `2024-01-0${day}`) });
    }
    const read = await client.read({ resourceType: 'Patient', id: patient.id });
    expect(read).toEqual(patient);
    const updated = await client.update({ resourceType: 'Patient', id: patient.id, body: { ...read, active: true } });
    expect(updated.meta.versionId).toBe('2');
    expect((await client.vread({ resourceType: 'Patient', id: patient.id, version: '1' })).active).toBeUndefined();
    expect((await client.history({ resourceType: 'Patient', id: patient.id })).entry.length).toBe(2);
    const first = await client.search({
      resourceType: 'Observation',
      searchParams: { patient: patient.id, code: 'http://loinc.org|718-7', _count: 2 },
    });
    const second = await client.nextPage({ bundle: first });
    const third = await client.nextPage({ bundle: second });
    expect([first, second, third].map((page) => page.entry.length)).toEqual([2, 2, 1]);
    expect(await client.nextPage({ bundle: third })).toBeUndefined();
    const form = await client.search({
      resourceType: 'Patient',
      searchParams: { identifier: 'urn:test:mrn|kit-1' },
      options: { postSearch: true },
    });
    expect(form.entry.length).toBe(1);
    await client.delete({ resourceType: 'Patient', id: patient.id });
    await expect(client.read({ resourceType: 'Patient', id: patient.id })).rejects.toMatchObject({
      response: { status: 410 },
    });
  });
});
