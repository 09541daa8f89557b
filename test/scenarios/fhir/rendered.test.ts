import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { validateResource } from '../../../src/formats/fhir/validate.ts';
import { startFhirGateway, type Client, type FhirGateway } from '../../support/fhir-gateway.ts';
import { denyAll, observationOf, patientOf } from '../../support/fhir-samples.ts';

let gateway: FhirGateway;
let doctor: Client;
beforeAll(async () => {
  gateway = await startFhirGateway();
  doctor = gateway.practitioner;
});
afterAll(() => gateway.close());

/** A message as the HL7 v2 side submits it. */
async function message(control: string): Promise<{ patient: string; observation: string; leaf: number }> {
  const accepted = await gateway.writer.writer.submit({
    kind: 'hl7v2',
    source: 'lab',
    control,
    raw: { bytes: Buffer.from(`MSH|${control}`), contentType: 'x-application/hl7-v2+er7' },
    receivedAt: Date.parse('2026-01-02T03:04:05Z'),
    sourceTime: Date.parse('2026-01-02T03:04:00Z'),
    details: { messageCode: 'ORU', event: 'R01', controlId: control, sendingApplication: { name: 'LIS' } },
    changes: [
      {
        mode: 'merge',
        type: 'Patient',
        keys: [['identifier', 'urn:mrn', control]],
        sourceTime: 1,
        set: { ...patientOf(control), resourceType: 'Patient' },
      },
      {
        mode: 'merge',
        type: 'Observation',
        keys: [['filler', control]],
        sourceTime: 1,
        set: {
          ...observationOf('x', '718-7', '2026-01-02'),
          resourceType: 'Observation',
          subject: { reference: 'change:0' },
        },
      },
    ],
  });
  const [patient, observation] = accepted.results;
  return { patient: patient?.id ?? '', observation: observation?.id ?? '', leaf: accepted.leaf };
}

describe('what is rendered from manifests', () => {
  it('is found by what the message made, and read by its id', async () => {
    const { patient, observation, leaf } = await message('R1');
    for (const [type, parameter] of [
      ['Provenance', 'target'],
      ['MessageHeader', 'focus'],
    ]) {
      const found = await doctor('GET', `/${type}?${parameter}=Observation/${observation}`);
      expect(found.status, found.text).toBe(200);
      expect(found.body.total).toBe(type === 'Provenance' ? 2 : 1);
      const [{ resource, fullUrl }] = found.body.entry;
      expect(resource.id).toBe(`m-${leaf}`);
      expect(validateResource(resource).filter(({ severity }) => severity === 'error')).toEqual([]);
      expect(JSON.stringify(resource)).toContain(`Observation/${observation}/_history/1`);
      expect(JSON.stringify(resource)).toContain(`Patient/${patient}/_history/1`);
      expect((await doctor('GET', fullUrl)).body).toEqual(resource);
      expect((await doctor('GET', `${fullUrl}/_history/1`)).body).toEqual(resource);
      expect((await doctor('GET', `/${type}?_id=m-${leaf}`)).body.total).toBe(1);
    }
  });

  it('stands beside what a client submitted', async () => {
    const { patient } = await message('R2');
    const submitted = {
      resourceType: 'Provenance',
      target: [{ reference: `Patient/${patient}` }],
      recorded: '2026-01-02T03:04:05Z',
      agent: [{ who: { display: 'somebody' } }],
    };
    const created = await doctor('POST', '/Provenance', submitted);
    expect(created.status, created.text).toBe(201);
    const found = await doctor('GET', `/Provenance?target=Patient/${patient}`);
    expect(found.body.total).toBe(3);
    const ids = found.body.entry.map((entry: any) => entry.resource.id);
    expect(ids.at(-1)).toBe(created.body.id);
    const taken = { ...submitted, id: 'm-1' };
    expect((await doctor('PUT', '/Provenance/m-1', taken)).status).toBe(422);
    expect((await doctor('POST', '/MessageHeader', {})).status).toBe(405);
    expect((await doctor('GET', '/MessageHeader?event=R01')).status).toBe(400);
  });

  it('names nothing that the caller may not see', async () => {
    const { patient, observation, leaf } = await message('R3');
    const self = await gateway.as({ role: 'patient', patient, subject: 'self' });
    await self('POST', '/Consent', denyAll(patient));
    expect((await doctor('GET', `/Provenance?target=Observation/${observation}`)).body.total).toBe(0);
    expect((await doctor('GET', `/Provenance/m-${leaf}`)).status).toBe(403);
    expect((await self('GET', `/Provenance/m-${leaf}`)).status).toBe(200);
    for (const id of ['m-0', 'm-1', 'm-999999', 'm-01', 'm-x']) {
      expect((await doctor('GET', `/Provenance/${id}`)).status, id).toBe(404);
    }
    const trail = await self('GET', `/AuditEvent?patient=${patient}`);
    expect(JSON.stringify(trail.body)).toContain(`Provenance/m-${leaf}`);
  });
});
