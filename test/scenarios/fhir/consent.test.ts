import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFhirGateway, type Client, type FhirGateway } from '../../support/fhir-gateway.ts';
import { observationOf, patientOf } from '../../support/fhir-samples.ts';
import { actor, classOf, consent, label } from '../../unit/consent/fixtures.ts';

let gateway: FhirGateway;
let lee: Client;
let kim: Client;
let system: Client;

beforeAll(async () => {
  gateway = await startFhirGateway();
  lee = await gateway.as({ role: 'practitioner', subject: 'lee' });
  kim = await gateway.as({ role: 'practitioner', subject: 'kim' });
  system = await gateway.as({ role: 'system', subject: 'ehr' });
});
afterAll(() => gateway.close());

interface Chart {
  readonly id: string;
  readonly patient: Client;
  readonly glucose: string;
  readonly hiv: string;
}

let serial = 0;

/** A patient with a glucose and an HIV result. */
async function chart(): Promise<Chart> {
  serial += 1;
  const { id } = (await system('POST', '/Patient', patientOf(`consent-${serial}`))).body;
  const glucose = await system('POST', '/Observation', observationOf(id, '2345-7', '2024-05-01'));
  const hiv = await system('POST', '/Observation', observationOf(id, '56888-1', '2026-05-01'));
  expect([glucose.status, hiv.status]).toEqual([201, 201]);
  return {
    id,
    patient: await gateway.as({ role: 'patient', subject: `p${serial}`, patient: id }),
    glucose: `/Observation/${glucose.body.id}`,
    hiv: `/Observation/${hiv.body.id}`,
  };
}

async function agree({ id, patient }: Chart, provision: Record<string, unknown>): Promise<string> {
  const {
    id: _,
    meta: __,
    ...resource
  } = consent(provision, {
    patient: { reference: `Patient/${id}` },
    policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTIN' }] },
  });
  const created = await patient('POST', '/Consent', resource);
  expect(created.status, created.text).toBe(201);
  return `/Consent/${created.body.id}`;
}
const status = async (client: Client, path: string) => (await client('GET', path)).status;
const found = async (client: Client, path: string): Promise<string[]> => {
  const reply = await client('GET', path);
  expect(reply.status, reply.text).toBe(200);
  return (reply.body.entry ?? []).map((entry: any) => `/${entry.resource.resourceType}/${entry.resource.id}`);
};

describe('a label that is denied', () => {
  it('is gone from reads, versions, histories and searches, and only for those it is denied to', async () => {
    const my = await chart();
    expect(await status(lee, my.hiv)).toBe(200);
    await agree(my, { type: 'permit', provision: [{ type: 'deny', securityLabel: [label.act('HIV')] }] });
    expect(await status(lee, my.glucose)).toBe(200);
    expect(await status(my.patient, my.hiv)).toBe(200);
    for (const path of [my.hiv, `${my.hiv}/_history/1`]) {
      const refused = await lee('GET', path);
      expect(refused.status, path).toBe(403);
      expect(refused.text).not.toContain('56888-1');
    }
    const history = await lee('GET', `${my.hiv}/_history`);
    expect([403, 404]).toContain(history.status);
    for (const query of ['', '&_count=1', '&code=56888-1', '&code=http://loinc.org|56888-1', '&date=gt2025']) {
      const hits = await found(lee, `/Observation?patient=${my.id}${query}`);
      expect(hits, query).not.toContain(my.hiv);
      expect(await found(my.patient, `/Observation?patient=${my.id}${query}`), query).not.toHaveLength(0);
    }
    const hidden = await lee('GET', `/Observation?patient=${my.id}`);
    const nothing = await lee('GET', `/Observation?patient=${my.id}&code=56888-1`);
    expect([hidden.body.total, nothing.body.total]).toEqual([1, 0]);
    expect(hidden.body.link).toHaveLength(1);
  });

  it('reaches a record that becomes sensitive, and its plain past only while that was plain', async () => {
    const my = await chart();
    await agree(my, { type: 'permit', provision: [{ type: 'deny', securityLabel: [label.act('HIV')] }] });
    const read = (await system('GET', my.glucose)).body;
    const changed = { ...read, code: { coding: [{ system: 'http://loinc.org', code: '7917-8' }] } };
    expect((await system('PUT', my.glucose, changed)).status).toBe(200);
    expect(await status(lee, my.glucose)).toBe(403);
    expect(await found(lee, `/Observation?patient=${my.id}`)).toEqual([]);
  });
});

describe('conditions that only the record can tell', () => {
  it('hold record by record, by id and in searches', async () => {
    const my = await chart();
    await agree(my, { type: 'permit', provision: [{ type: 'deny', dataPeriod: { start: '2026' } }] });
    expect(await status(lee, my.glucose)).toBe(200);
    expect(await status(lee, my.hiv)).toBe(403);
    expect(await status(lee, `${my.hiv}/_history/1`)).toBe(403);
    expect(await found(lee, `/Observation?patient=${my.id}`)).toEqual([my.glucose]);
    const trail = await my.patient('GET', `/AuditEvent?patient=${my.id}&_count=100`);
    const refusals = trail.body.entry
      .map((entry: any) => entry.resource)
      .filter((event: any) => event.outcome === '4' && JSON.stringify(event).includes(my.hiv.slice(1)));
    expect(refusals).toHaveLength(2);
    for (const event of refusals) expect(event.outcomeDesc).toMatch(/^denied; record-refused; consent-conditional; /);
  });

  it('hide what they refuse from those who may not know of the patient', async () => {
    const my = await chart();
    // Permits one researcher the old records only; researchers have nothing by default.
    await agree(my, {
      type: 'permit',
      actor: [actor('Practitioner/rex')],
      purpose: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'HRESCH' }],
      dataPeriod: { start: '2024', end: '2024' },
    });
    const rex = await gateway.as({ role: 'researcher', subject: 'rex' });
    expect(await status(rex, my.glucose)).toBe(200);
    const hidden = await rex('GET', my.hiv);
    expect([hidden.status, hidden.body]).toEqual([404, (await rex('GET', '/Observation/nobody')).body]);
  });
});

describe('an actor that is denied', () => {
  it('sees nothing of the class, changes nothing of it, and others go on', async () => {
    const my = await chart();
    await agree(my, {
      type: 'permit',
      provision: [{ type: 'deny', actor: [actor('Practitioner/kim')], class: [classOf('Observation')] }],
    });
    expect(await status(lee, my.glucose)).toBe(200);
    expect(await status(kim, my.glucose)).toBe(403);
    expect(await status(kim, `/Patient/${my.id}`)).toBe(200);
    expect(await found(kim, `/Observation?patient=${my.id}`)).toEqual([]);
    const body = (await lee('GET', my.glucose)).body;
    expect((await kim('PUT', my.glucose, body)).status).toBe(403);
    expect((await kim('DELETE', my.glucose)).status).toBe(403);
    expect((await lee('GET', my.glucose)).body).toEqual(body);
    // A transaction is refused as a whole.
    const bundle = {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        { resource: patientOf(`tx-${my.id}`), request: { method: 'POST', url: 'Patient' } },
        { request: { method: 'DELETE', url: my.glucose.slice(1) } },
      ],
    };
    expect((await kim('POST', '/', bundle)).status).toBe(403);
    expect(await found(lee, `/Patient?identifier=tx-${my.id}`)).toEqual([]);
  });

  it('gets in again on the next request after the Consent is withdrawn', async () => {
    const my = await chart();
    const path = await agree(my, { type: 'deny' });
    expect(await status(kim, my.glucose)).toBe(403);
    expect((await my.patient('DELETE', path)).status).toBeLessThan(300);
    expect(await status(kim, my.glucose)).toBe(200);
  });
});

describe('who may write what', () => {
  it('a patient writes their own Consents and nothing else', async () => {
    const my = await chart();
    const other = await chart();
    const wide = await gateway.as({ role: 'patient', subject: 'p', patient: my.id, scope: 'patient/*.cruds' });
    expect((await wide('POST', '/Observation', observationOf(my.id, '2345-7', '2024-05-01'))).status).toBe(403);
    const attempt = async (patient: string) => {
      const {
        id: _,
        meta: __,
        ...theirs
      } = consent(
        { type: 'deny' },
        { patient: { reference: `Patient/${patient}` }, policyRule: { coding: [{ code: 'OPTOUT' }] } },
      );
      const reply = await wide('POST', '/Consent', theirs);
      return [reply.status, reply.body];
    };
    const refused = await attempt(other.id);
    expect(refused[0]).toBe(404);
    expect(refused).toEqual(await attempt('00000000-0000-4000-8000-000000000000'));
    expect(await status(wide, other.glucose)).toBe(404);
    expect(await status(wide, `/Patient/${other.id}`)).toBe(404);
    expect(await found(wide, `/Observation?patient=${other.id}`)).toEqual([]);
  });

  it('a practitioner records a Consent, and cannot change or delete that of the patient', async () => {
    const my = await chart();
    const path = await agree(my, { type: 'deny' });
    const current = (await my.patient('GET', path)).body;
    expect(await status(lee, path)).toBe(200);
    expect((await lee('PUT', path, { ...current, status: 'inactive' })).status).toBe(403);
    expect((await lee('DELETE', path)).status).toBe(403);
    const {
      id: _,
      meta: __,
      ...paper
    } = consent({ type: 'permit' }, { patient: { reference: `Patient/${my.id}` }, policyRule: current.policyRule });
    expect((await lee('POST', '/Consent', paper)).status).toBe(201);
    // Deny overrides: what was recorded later does not undo it.
    expect(await status(lee, my.glucose)).toBe(403);
  });

  it('a researcher gets no identified record, and cannot tell that there is one', async () => {
    const my = await chart();
    const researcher = await gateway.as({ role: 'researcher', subject: 'rae' });
    const hidden = await researcher('GET', my.glucose);
    const unknown = await researcher('GET', '/Observation/does-not-exist');
    expect([hidden.status, unknown.status]).toEqual([404, 404]);
    expect(hidden.body).toEqual(unknown.body);
    expect(await found(researcher, '/Observation?code=2345-7')).toEqual([]);
  });

  it('scopes limit', async () => {
    const my = await chart();
    const narrow = await gateway.as({ role: 'practitioner', subject: 'lee', scope: 'user/Observation.r' });
    expect(await status(narrow, my.glucose)).toBe(200);
    expect(await status(narrow, `/Patient/${my.id}`)).toBe(403);
    expect((await narrow('DELETE', my.glucose)).status).toBe(403);
    expect([200, 403]).toContain(await status(narrow, `/Observation?patient=${my.id}`));
    const hits = await narrow('GET', `/Observation?patient=${my.id}`);
    expect(hits.body.entry ?? []).toEqual([]);
  });
});

describe('the audit trail', () => {
  it('tells the patient who came, what they got, and which Consent refused them', async () => {
    const my = await chart();
    await status(lee, my.glucose);
    const path = await agree(my, { type: 'permit', provision: [{ type: 'deny', actor: [actor('Practitioner/kim')] }] });
    await status(kim, my.glucose);
    const reply = await my.patient('GET', `/AuditEvent?patient=${my.id}&_count=100`);
    const events: any[] = reply.body.entry.map((entry: any) => entry.resource);
    const by = (subject: string) =>
      events.find((event) => event.agent.some((agent: any) => agent.who.identifier.value === subject));
    expect(by('lee')).toMatchObject({
      outcome: '0',
      outcomeDesc: expect.stringContaining('own-institution-treatment'),
    });
    expect(by('kim')).toMatchObject({ outcome: '4', outcomeDesc: expect.stringContaining('consent-deny') });
    expect(JSON.stringify(by('kim').entity)).toContain(`${path.slice(1)}/_history/1`);
    for (const client of [lee, kim, system]) expect(await found(client, `/AuditEvent?patient=${my.id}`)).toEqual([]);
  });
});
