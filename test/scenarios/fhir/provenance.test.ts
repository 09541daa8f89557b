import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectMllp, type MllpClient } from '../../../src/clients/mllp.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { silentLog } from '../../../src/core/log.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { startMllpListener, type MllpListener } from '../../../src/edge/mllp/listener.ts';
import { MLLP_DEFAULTS } from '../../../src/edge/mllp/settings.ts';
import { validateResource } from '../../../src/formats/fhir/validate.ts';
import { parseAck } from '../../../src/formats/hl7v2/ack.ts';
import { acceptHl7v2, refuseHl7v2 } from '../../../src/services/accept-hl7v2.ts';
import { onlySource } from '../../../src/services/sources.ts';
import { startFhirGateway, type Client, type FhirGateway } from '../../support/fhir-gateway.ts';
import { denyAll, observationOf, patientOf } from '../../support/fhir-samples.ts';
import { profile } from '../../support/hl7v2.ts';
import { consent, label } from '../../unit/consent/fixtures.ts';

let gateway: FhirGateway;
let doctor: Client;
let system: Client;
let mllp: MllpListener;
let sender: MllpClient;

beforeAll(async () => {
  gateway = await startFhirGateway();
  doctor = gateway.practitioner;
  system = await gateway.as({ role: 'system', subject: 'ehr' });
  const { writer } = gateway.writer;
  const sources = onlySource(profile({ name: 'lab' }));
  const deps = { writer, clock: systemClock, random: systemRandom, log: silentLog, sources };
  mllp = await startMllpListener(
    {
      accept: (bytes) => acceptHl7v2(deps, bytes),
      refuse: (head, error) => refuseHl7v2(deps, head, error),
      log: silentLog,
    },
    { ...MLLP_DEFAULTS, host: '127.0.0.1', port: 0 },
  );
  sender = await connectMllp({ host: '127.0.0.1', port: mllp.port, timeoutMs: 30_000 });
});
afterAll(async () => {
  sender.close();
  await mllp.close();
  await gateway.close();
});

let serial = 0;

async function send(type: string, segments: readonly string[]): Promise<void> {
  serial += 1;
  const second = String(serial % 60).padStart(2, '0');
  const minute = String(Math.floor(serial / 60)).padStart(2, '0');
  const header = `MSH|^~\\&|LIS|STMARY|GW|HOSP|2026030112${minute}${second}+0100||${type}|C${serial}|P|2.5.1`;
  const answer = await sender.send(Buffer.from([header, ...segments, ''].join('\r')));
  expect(parseAck(answer)).toMatchObject({ code: 'AA' });
}

const pid = (mrn: string) => `PID|1||${mrn}^^^HOSP^MR||Doe^Jane||19800704|F`;
const admit = (mrn: string) =>
  send('ADT^A01^ADT_A01', ['EVN|A01|20260301', pid(mrn), `PV1|1|I|W1^1^1|||||7${mrn}^House^Gregory|||||||||||V${mrn}`]);
const result = (mrn: string, value: string, status = 'F') =>
  send('ORU^R01^ORU_R01', [
    pid(mrn),
    `OBR|1|P${mrn}^EHR|F${mrn}^LAB|57021-8^CBC^LN|||20260301093000+0100||||||||||||||||||${status}`,
    `OBX|1|NM|718-7^Hemoglobin^LN||${value}|g/dL|||||${status}|||20260301093000+0100`,
  ]);

async function all(client: Client, path: string): Promise<any[]> {
  const found: any[] = [];
  for (let url: string | undefined = path; url !== undefined;) {
    const page = await client('GET', url);
    expect(page.status, page.text).toBe(200);
    found.push(...(page.body.entry ?? []).map((entry: any) => entry.resource));
    url = page.body.link.find((link: any) => link.relation === 'next')?.url;
  }
  return found;
}
const idOf = async (type: string, query: string): Promise<string> => (await all(doctor, `/${type}?${query}`))[0].id;
const targets = (resource: any): string[] =>
  (resource.target ?? resource.focus).map((target: any) => String(target.reference));
const codes = (resource: any): string[] => resource.activity.coding.map((coding: any) => coding.code);

interface Chart {
  readonly patient: string;
  readonly observation: string;
  readonly self: Client;
}

/** A patient with an admission, a result and its correction, all by MLLP. */
async function chart(mrn: string): Promise<Chart> {
  await admit(mrn);
  await result(mrn, '13.1');
  await result(mrn, '13.9', 'C');
  const patient = await idOf('Patient', `identifier=${mrn}`);
  const observation = await idOf('Observation', `patient=${patient}&code=718-7`);
  const self = await gateway.as({ role: 'patient', patient, subject: mrn });
  return { patient, observation, self };
}

describe('Provenance of what came by HL7 v2', () => {
  it('is there twice for every message that made a version, newest first', async () => {
    const { patient, observation } = await chart('A1');
    const found = await all(doctor, `/Provenance?target=Observation/${observation}`);
    expect(found.map(codes)).toEqual([
      ['receive'],
      ['v2-fhir-transformation'],
      ['receive'],
      ['v2-fhir-transformation'],
    ]);
    for (const resource of found) {
      expect(validateResource(resource).filter(({ severity }) => severity === 'error')).toEqual([]);
      expect((await doctor('GET', `/Provenance/${resource.id}`)).body).toEqual(resource);
    }
    expect(targets(found[0])).toContain(`Observation/${observation}/_history/2`);
    expect(targets(found[2])).toContain(`Observation/${observation}/_history/1`);
    expect(found[0]).toMatchObject({
      agent: [{ who: { identifier: { value: 'STMARY' } } }, { type: { coding: [{ code: 'custodian' }] } }],
      activity: { text: 'message - ORU^R01' },
    });
    // Of the admission, found by the patient that it made.
    const [admission] = await all(doctor, `/MessageHeader?focus=Patient/${patient}`);
    expect(admission).toMatchObject({ eventCoding: { code: 'A01' }, source: { name: 'LIS' } });
    expect(targets(admission)).toContain(`Patient/${patient}/_history/1`);
    const header = await doctor('GET', `/MessageHeader/${admission.id}`);
    expect([header.status, header.headers.get('etag')]).toEqual([200, 'W/"1"']);
    expect(header.headers.get('anamnesis-leaf')).toBe(admission.id.slice(2));
    const history = await doctor('GET', `/MessageHeader/${admission.id}/_history`);
    expect(history.body.entry.map((entry: any) => entry.resource)).toEqual([admission]);
    expect((await doctor('GET', `/MessageHeader/${admission.id}/_history/2`)).status).toBe(404);
    const byPatient = await all(doctor, `/Provenance?patient=${patient}`);
    expect(byPatient.map(({ id }) => id)).toEqual([admission.id, admission.id.replace('m', 't')]);
  });

  it('comes in pages that lose and repeat nothing while more arrives', async () => {
    const { observation } = await chart('A2');
    for (let value = 20; value < 30; value += 1) await result('A2', String(value), 'C');
    const query = `/Provenance?target=Observation/${observation}`;
    const whole = (await all(doctor, `${query}&_count=500`)).map(({ id }) => id);
    expect(whole).toHaveLength(24);
    expect(new Set(whole).size).toBe(24);
    const first = await doctor('GET', `${query}&_count=5&_total=accurate`);
    expect(first.body.total).toBe(24);
    await result('A2', '40', 'C');
    const rest = await all(doctor, first.body.link.find((link: any) => link.relation === 'next').url);
    expect([...first.body.entry.map((entry: any) => entry.resource.id), ...rest.map(({ id }) => id)]).toEqual(whole);
    for (const count of [1, 2, 23, 24, 25]) {
      const found = await all(doctor, `${query}&_count=${count}`);
      expect(
        found.slice(2).map(({ id }) => id),
        String(count),
      ).toEqual(whole);
    }
  });

  it('stands before what a client submitted, page by page', async () => {
    const { patient, observation } = await chart('A3');
    const submitted = {
      resourceType: 'Provenance',
      target: [{ reference: `Patient/${patient}` }, { reference: `Observation/${observation}` }],
      recorded: '2026-03-02T03:04:05Z',
      agent: [{ who: { display: 'a reviewer' } }],
    };
    const mine = [];
    for (let i = 0; i < 3; i += 1) mine.push((await doctor('POST', '/Provenance', submitted)).body.id);
    for (const count of [1, 3, 4, 5, 50]) {
      const found = await all(doctor, `/Provenance?target=Observation/${observation}&_count=${count}`);
      expect(found, String(count)).toHaveLength(7);
      expect(new Set(found.slice(4).map(({ id }) => id))).toEqual(new Set(mine));
    }
  });

  it('is what is asked for: other parameters hold too, and searches that would miss it are refused', async () => {
    const { observation } = await chart('A4');
    const query = `/Provenance?target=Observation/${observation}`;
    expect(await all(doctor, `${query}&recorded=lt2020`)).toEqual([]);
    expect(await all(doctor, `${query}&when=2026-03-01`)).toHaveLength(2);
    expect(await all(doctor, `${query}&agent-type=assembler`)).toHaveLength(2);
    for (const refused of [
      '',
      '?recorded=gt2020',
      '?agent-type=author',
      '?target:missing=false',
      `?target=${observation}`,
    ]) {
      const reply = await doctor('GET', `/Provenance${refused}`);
      expect([reply.status, reply.body.resourceType], refused).toEqual([400, 'OperationOutcome']);
    }
    expect((await doctor('GET', '/MessageHeader?event=A01')).status).toBe(400);
    expect((await doctor('GET', '/MessageHeader')).status).toBe(400);
  });
});

describe('Provenance of what came by DICOM', () => {
  it('names the study and not the internal records of its objects', async () => {
    const subject = { reference: 'change:0' };
    const change = (type: string, keys: string[], set: object) =>
      ({ mode: 'merge', type, keys: [keys], sourceTime: 1, set: { resourceType: type, ...set } }) as const;
    const { leaf, results } = await gateway.writer.writer.submit({
      kind: 'dicom-study',
      source: 'lab',
      receivedAt: Date.parse('2026-01-02T03:04:05Z'),
      sourceTime: Date.parse('2026-01-02T03:04:00Z'),
      details: {},
      changes: [
        change('Patient', ['identifier', 'urn:mrn', 'F1'], patientOf('F1')),
        change('ImagingStudy', ['study', '1.2.3'], { status: 'available', subject }),
        change('DicomInstance', ['sop', '1.2.3.4'], { subject }),
      ],
    });
    const [, study] = results;
    const found = await all(doctor, `/Provenance?target=ImagingStudy/${study.id}`);
    expect(found.map(codes)).toEqual([['receive'], ['transform']]);
    for (const resource of found) {
      expect(validateResource(resource).filter(({ severity }) => severity === 'error')).toEqual([]);
      expect(JSON.stringify(resource)).not.toContain('DicomInstance');
    }
    expect((await doctor('GET', `/MessageHeader/m-${leaf}`)).status).toBe(404);
  });
});

describe('Provenance of what a client wrote', () => {
  it('says who, for what, and what they did, a deletion included', async () => {
    const { body: person } = await system('POST', '/Patient', patientOf('C1'));
    const { body: made } = await doctor('POST', '/Observation', observationOf(person.id, '2345-7', '2026-01-01'));
    await doctor('PUT', `/Observation/${made.id}`, { ...made, status: 'amended' });
    await doctor('DELETE', `/Observation/${made.id}`);
    const found = await all(doctor, `/Provenance?target=Observation/${made.id}`);
    expect(found.map(codes)).toEqual([['DELETE'], ['UPDATE'], ['CREATE']]);
    expect(found.map(targets)).toEqual(
      ['3', '2', '1'].map((version) => [`Observation/${made.id}/_history/${version}`]),
    );
    for (const resource of found) {
      expect(resource).toMatchObject({
        reason: [{ coding: [{ code: 'TREAT' }] }],
        agent: [{ who: { identifier: { value: 'dr-test' } } }, {}, {}],
      });
    }
    expect(await all(doctor, `/MessageHeader?focus=Observation/${made.id}`)).toEqual([]);
    expect((await doctor('GET', found[0].id.replace('m-', '/MessageHeader/m-'))).status).toBe(404);
    expect((await doctor('GET', found[0].id.replace('m-', '/Provenance/t-'))).status).toBe(404);
  });

  it('is no place for ids that clients choose', async () => {
    const { body: person } = await system('POST', '/Patient', patientOf('C2'));
    const own = {
      resourceType: 'Provenance',
      id: 't-7',
      target: [{ reference: `Patient/${person.id}` }],
      recorded: '2026-01-02T03:04:05Z',
      agent: [{ who: { display: 'somebody' } }],
    };
    expect((await doctor('PUT', '/Provenance/t-7', own)).status).toBe(422);
    const bundle = {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [{ resource: own, request: { method: 'PUT', url: 'Provenance/t-7' } }],
    };
    expect((await doctor('POST', '/', bundle)).status).toBe(422);
  });
});

describe('a Provenance that a client submits', () => {
  const about = (...references: readonly string[]) => ({
    resourceType: 'Provenance',
    target: references.map((reference) => ({ reference })),
    recorded: '2026-01-02T03:04:05Z',
    agent: [{ who: { display: 'a reviewer' } }],
  });

  it('belongs to the patient whose record it is about, though it names none', async () => {
    const { patient, observation, self } = await chart('E1');
    const made = await doctor('POST', '/Provenance', about(`Observation/${observation}/_history/1`));
    expect(made.status, made.text).toBe(201);
    const path = `/Provenance/${made.body.id}`;
    const found = async (client: Client) =>
      (await all(client, `/Provenance?target=Observation/${observation}`)).map(({ id }) => id);
    expect(await found(doctor)).toContain(made.body.id);
    expect(await found(self)).toContain(made.body.id);
    // The same again, a change and a deletion stay with that patient.
    expect((await doctor('PUT', path, made.body)).headers.get('etag')).toBe('W/"1"');
    const changed = await doctor('PUT', path, { ...made.body, occurredDateTime: '2026-01-01' });
    expect([changed.status, changed.headers.get('etag')]).toEqual([200, 'W/"2"']);
    const trail = await all(self, `/AuditEvent?patient=${patient}&_count=200`);
    await self('GET', path);
    expect((await all(self, `/AuditEvent?patient=${patient}&_count=200`)).length).toBeGreaterThan(trail.length);
    expect((await self('POST', '/Consent', denyAll(patient))).status).toBe(201);
    expect([(await doctor('GET', path)).status, (await self('GET', path)).status]).toEqual([403, 200]);
    expect((await doctor('DELETE', path)).status).toBe(403);
    expect((await system('DELETE', path)).status).toBe(204);
    expect((await self('GET', path)).status).toBe(410);
  });

  it('may come with what it is about, in one transaction', async () => {
    const { body: person } = await system('POST', '/Patient', patientOf('E2'));
    const [one, two] = [
      'urn:uuid:00000000-0000-4000-8000-00000000000a',
      'urn:uuid:00000000-0000-4000-8000-00000000000b',
    ];
    const bundle = {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        { fullUrl: two, resource: about(one), request: { method: 'POST', url: 'Provenance' } },
        {
          fullUrl: one,
          resource: observationOf(person.id, '2345-7', '2026-01-01'),
          request: { method: 'POST', url: 'Observation' },
        },
      ],
    };
    const reply = await doctor('POST', '/', bundle);
    expect(reply.status, reply.text).toBe(200);
    const self = await gateway.as({ role: 'patient', patient: person.id, subject: 'e2' });
    const observation = await idOf('Observation', `patient=${person.id}`);
    expect(await all(self, `/Provenance?target=Observation/${observation}`)).toHaveLength(2);
  });

  it('is refused when it is about nobody, or about several', async () => {
    const first = await chart('E3');
    const second = await chart('E4');
    const refusal = async (...references: string[]): Promise<string> => {
      const reply = await doctor('POST', '/Provenance', about(...references));
      expect(reply.status).toBe(422);
      expect(reply.body.issue[0].expression).toEqual(['Provenance.target']);
      return reply.body.issue[0].diagnostics;
    };
    expect(await refusal('Observation/nobody-knows')).toContain('name the Patient');
    expect(await refusal('https://other.example/fhir/Observation/1')).toContain('name the Patient');
    expect(await refusal(`Observation/${first.observation}`, `Observation/${second.observation}`)).toContain('several');
    expect(await refusal(`Patient/${first.patient}`, `Patient/${second.patient}`)).toContain('several');
    // What lies in another patient's record does not move there.
    const made = (await doctor('POST', '/Provenance', about(`Observation/${first.observation}`))).body;
    const moved = { ...made, target: [{ reference: `Observation/${second.observation}` }] };
    expect((await doctor('PUT', `/Provenance/${made.id}`, moved)).status).toBe(422);
  });

  it('about a record that is denied is denied too', async () => {
    const { patient, observation, self } = await chart('E5');
    expect((await self('POST', '/Consent', denyAll(patient))).status).toBe(201);
    const reply = await doctor('POST', '/Provenance', about(`Observation/${observation}`));
    // A person may always add to a record; what they added they may not read.
    expect([201, 403]).toContain(reply.status);
    if (reply.status === 201) expect((await doctor('GET', `/Provenance/${reply.body.id}`)).status).toBe(403);
    const foreign = await gateway.as({ role: 'researcher', subject: 'rae', scope: 'user/*.cruds' });
    expect((await foreign('POST', '/Provenance', about(`Observation/${observation}`))).status).toBe(404);
  });
});

describe('what the caller may not see', () => {
  it('is hidden by a Consent that denies all, refused by id, and in the trail', async () => {
    const { patient, observation, self } = await chart('D1');
    const query = `/Provenance?target=Observation/${observation}`;
    const [{ id }] = await all(doctor, query);
    expect((await self('POST', '/Consent', denyAll(patient))).status).toBe(201);
    expect(await all(doctor, query)).toEqual([]);
    expect(await all(doctor, `/MessageHeader?focus=Observation/${observation}`)).toEqual([]);
    expect((await doctor('GET', `/Provenance/${id}`)).status).toBe(403);
    expect((await doctor('GET', `/MessageHeader/${id}`)).status).toBe(403);
    expect(await all(self, query)).toHaveLength(4);
    // The practitioner that the admission made is no way to hear of the patient.
    const headers = await all(self, `/MessageHeader?focus=Patient/${patient}`);
    const admission = headers.at(-1);
    const practitioner = targets(admission).find((target) => target.startsWith('Practitioner/'));
    expect(practitioner).toBeDefined();
    const byPractitioner = await all(doctor, `/MessageHeader?focus=${practitioner?.split('/_history')[0]}`);
    expect(byPractitioner.map((header) => header.id)).not.toContain(admission.id);
    const trail = await all(self, `/AuditEvent?patient=${patient}&_count=100`);
    const refusals = trail.filter((event) => event.outcome === '4');
    expect(refusals.length).toBeGreaterThanOrEqual(4);
    for (const event of refusals) expect(event.outcomeDesc).toMatch(/^denied; consent-deny/);
    const references = JSON.stringify(refusals);
    expect(references).toContain(`Provenance/${id}`);
    expect(references).toContain(`MessageHeader/${id}`);
  });

  it('is not named beside what may be seen', async () => {
    const { body: person } = await system('POST', '/Patient', patientOf('D2'));
    const self = await gateway.as({ role: 'patient', patient: person.id, subject: 'd2' });
    const entry = ['2345-7', '56888-1'].map((code) => ({
      resource: observationOf(person.id, code, '2026-05-01'),
      request: { method: 'POST', url: 'Observation' },
    }));
    await doctor('POST', '/', { resourceType: 'Bundle', type: 'transaction', entry });
    const plain = await idOf('Observation', `patient=${person.id}&code=2345-7`);
    const hiv = await idOf('Observation', `patient=${person.id}&code=56888-1`);
    const [before] = await all(doctor, `/Provenance?target=Observation/${plain}`);
    expect(targets(before)).toHaveLength(2);
    const {
      id: _,
      meta: __,
      ...rule
    } = consent(
      { type: 'permit', provision: [{ type: 'deny', securityLabel: [label.act('HIV')] }] },
      {
        patient: { reference: `Patient/${person.id}` },
        policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTIN' }] },
      },
    );
    expect((await self('POST', '/Consent', rule)).status).toBe(201);
    const [after] = await all(doctor, `/Provenance?target=Observation/${plain}`);
    expect(targets(after)).toEqual([`Observation/${plain}/_history/1`]);
    expect(JSON.stringify(after)).not.toContain(hiv);
    expect(await all(doctor, `/Provenance?target=Observation/${hiv}`)).toEqual([]);
  });

  it('a class that is denied is not named either', async () => {
    const { patient, observation, self } = await chart('D3');
    const {
      id: _,
      meta: __,
      ...rule
    } = consent(
      {
        type: 'permit',
        provision: [{ type: 'deny', class: [{ system: 'http://hl7.org/fhir/resource-types', code: 'Observation' }] }],
      },
      {
        patient: { reference: `Patient/${patient}` },
        policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTIN' }] },
      },
    );
    const [seen] = await all(doctor, `/Provenance?target=Observation/${observation}`);
    expect((await self('POST', '/Consent', rule)).status).toBe(201);
    expect(await all(doctor, `/Provenance?target=Observation/${observation}`)).toEqual([]);
    const read = await doctor('GET', `/Provenance/${seen.id}`);
    expect(read.text).not.toContain(observation);
  });

  it('is as if it were not there for those who may not know of the patient, and outside of scopes', async () => {
    const { observation, self } = await chart('D4');
    const [{ id }] = await all(self, `/Provenance?target=Observation/${observation}`);
    const rae = await gateway.as({ role: 'researcher', subject: 'rae' });
    const hidden = await rae('GET', `/Provenance/${id}`);
    expect([hidden.status, hidden.body]).toEqual([404, (await rae('GET', '/Provenance/m-999999999')).body]);
    expect(await all(rae, `/Provenance?target=Observation/${observation}`)).toEqual([]);
    const other = await gateway.as({ role: 'patient', patient: 'somebody-else', subject: 'other' });
    expect((await other('GET', `/Provenance/${id}`)).status).toBe(404);
    const narrow = await gateway.as({ role: 'practitioner', subject: 'lee', scope: 'user/Observation.rs' });
    expect((await narrow('GET', `/Provenance/${id}`)).status).toBe(403);
    expect(await all(narrow, `/Provenance?target=Observation/${observation}`)).toEqual([]);
    const only = await gateway.as({ role: 'practitioner', subject: 'lee', scope: 'user/Provenance.rs' });
    expect((await only('GET', `/Provenance/${id}`)).status).toBe(403);
    const both = await gateway.as({
      role: 'practitioner',
      subject: 'lee',
      scope: 'user/Provenance.rs user/Observation.rs',
    });
    const [seen] = await all(both, `/Provenance?target=Observation/${observation}`);
    expect(targets(seen).every((target) => target.startsWith('Observation/'))).toBe(true);
  });

  it('is neither key, grant nor access batch of the log', async () => {
    for (let leaf = 0; leaf < 40; leaf += 1) {
      expect([200, 404]).toContain((await doctor('GET', `/Provenance/m-${leaf}`)).status);
    }
  });
});
