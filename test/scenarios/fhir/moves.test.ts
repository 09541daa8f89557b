import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import { GatewayError } from '../../../src/core/errors.ts';
import { silentLog } from '../../../src/core/log.ts';
import { runMoves, type MovesDeps } from '../../../src/followers/moves.ts';
import { patientIds } from '../../../src/services/patient-ids.ts';
import { pendingMoves } from '../../../src/storage/pg/move-store.ts';
import { recordStore } from '../../../src/storage/pg/record-store.ts';
import { startFhirGateway, type Client, type FhirGateway } from '../../support/fhir-gateway.ts';
import { denyAll } from '../../support/fhir-samples.ts';
import { identityFeed, mrg, pid, pv1, type Feed } from '../../support/identity-feed.ts';

let gateway: FhirGateway;
let doctor: Client;
let feed: Feed;
let deps: MovesDeps;

beforeAll(async () => {
  gateway = await startFhirGateway();
  doctor = gateway.practitioner;
  feed = identityFeed(gateway);
  const { pool, keyring, writer } = gateway.writer;
  const records = recordStore(pool);
  const patients = patientIds({ records, keyring });
  const pending = (limit: number): ReturnType<typeof pendingMoves> => pendingMoves(pool, limit);
  deps = { records, keyring, patients, writer, clock: systemClock, pending, log: silentLog };
});
afterAll(() => gateway.close());

const encounter = async (visit: string): Promise<any> => {
  const { body } = await doctor('GET', `/Encounter?identifier=${visit}`);
  return body.entry?.[0]?.resource;
};
const from = (mrn: string, visit: string): string => `${mrg(mrn)}||||${visit}^^^HOSP^VN`;
const gone = async (reference: string, client = doctor): Promise<number> =>
  (await client('GET', `/${reference}`)).status;

/** Two patients; the visit and its result were filed under the first one, who has a result of their own. */
async function misfiled(wrong: string, right: string): Promise<{ readonly visit: string }> {
  await feed.register(wrong);
  await feed.register(right);
  await feed.result(wrong, `OWN-${wrong}`, 1);
  const visit = `M${wrong}`;
  await feed.send('ADT^A04', [pid(wrong), pv1(visit), 'AL1|1||^Nuts']);
  await feed.result(wrong, `F-${visit}`, 2, visit);
  await feed.result(wrong, `F-${visit}`, 3, visit);
  return { visit };
}

describe('a visit that was filed under the wrong patient', () => {
  it('A45: it moves with what hangs on it; the rest stays', async () => {
    const { visit } = await misfiled('100', '101');
    const [wrong, right] = [await feed.patient('100'), await feed.patient('101')];
    expect(await feed.values(`patient=${wrong.id}`)).toEqual([1, 3]);
    expect(await feed.send('ADT^A45', [pid('101'), from('100', visit), pv1(visit)])).toBe('AA');
    expect(await encounter(visit)).toMatchObject({ subject: { reference: `Patient/${right.id}` } });
    expect(await runMoves(deps)).toBeGreaterThan(1);
    expect(await feed.values(`patient=${wrong.id}`)).toEqual([1]);
    expect(await feed.values(`patient=${right.id}`)).toEqual([3]);
    expect((await doctor('GET', `/AllergyIntolerance?patient=${right.id}`)).body.total).toBe(1);
    expect(await runMoves(deps)).toBe(0);
  });

  it('A45: results of its orders that name no visit follow, and what lies in a linked chart', async () => {
    for (const mrn of ['105', '106', '107']) await feed.register(mrn);
    const visit = 'M105';
    const placed = ['ORC|NW|O105^EHR|OF105^LAB', 'OBR|1|O105^EHR|OF105^LAB|718-7^Hb^LN'];
    expect(await feed.send('ORM^O01', [pid('105'), pv1(visit), ...placed])).toBe('AA');
    const resulted = ['OBR|1|O105^EHR|OF105^LAB|718-7^Hb^LN|||20260301', 'OBX|1|NM|718-7^Hb^LN||5|g/dL|||||F'];
    expect(await feed.send('ORU^R01', [pid('105'), ...resulted])).toBe('AA');
    // Merged into 107, under whose number a second result of the visit comes.
    await feed.send('ADT^A40', [pid('107'), mrg('105')]);
    await feed.result('107', 'F107', 6, visit);
    await feed.result('107', 'OWN-107', 7);
    const [wrong, right, linked] = [await feed.patient('105'), await feed.patient('106'), await feed.patient('107')];
    expect(await feed.values(`patient=${linked.id}`)).toEqual([5, 6, 7]);
    expect(await feed.send('ADT^A45', [pid('106'), from('105', visit), pv1(visit)])).toBe('AA');
    await runMoves(deps);
    expect(await feed.values(`patient=${right.id}`)).toEqual([5, 6]);
    expect(await feed.values(`patient=${wrong.id}`)).toEqual([7]);
    expect((await doctor('GET', `/DiagnosticReport?patient=${right.id}`)).body.total).toBe(2);
  });

  it('its versions before are gone, from reads, histories, receipts and what is rendered', async () => {
    const { visit } = await misfiled('110', '111');
    const [wrong, right] = [await feed.patient('110'), await feed.patient('111')];
    const { body } = await doctor(
      'GET',
      `/Observation?patient=${wrong.id}&encounter=Encounter/${(await encounter(visit)).id}`,
    );
    const { id } = body.entry[0].resource;
    const before = await doctor('GET', `/Provenance?target=Observation/${id}`);
    expect(before.body.entry.length).toBeGreaterThan(0);
    await feed.send('ADT^A45', [pid('111'), from('110', visit), pv1(visit)]);
    await runMoves(deps);
    for (const version of [1, 2]) {
      const reply = await doctor('GET', `/Observation/${id}/_history/${version}`);
      expect([reply.status, reply.body.issue[0].diagnostics]).toEqual([
        410,
        expect.stringContaining('another patient'),
      ]);
      expect(await gone(`Observation/${id}/_history/${version}/$receipt`)).not.toBe(200);
    }
    const history = await doctor('GET', `/Observation/${id}/_history`);
    expect(history.body.entry.map(({ resource }: any) => resource.meta.versionId)).toEqual(['3']);
    const provenance = await doctor('GET', `/Provenance?patient=Patient/${wrong.id}`);
    expect(JSON.stringify(provenance.body)).not.toContain(`Observation/${id}`);
    const after = await doctor('GET', `/Provenance?target=Observation/${id}`);
    expect(after.body.entry.map(({ resource }: any) => resource.target[0].reference)).not.toContain(
      `Observation/${id}/_history/1`,
    );
    expect(JSON.stringify(after.body)).toContain(`Observation/${id}/_history/3`);
    // The ledger keeps what was.
    const kept = await gateway.writer.pool.query('select count(*)::int as n from record where version in (1, 2)');
    expect(kept.rows[0].n).toBeGreaterThan(2);
    expect(right.id).not.toBe(wrong.id);
  });

  it('the consents of the right patient hold for it, and nobody learns of it who may not', async () => {
    const { visit } = await misfiled('120', '121');
    const [wrong, right] = [await feed.patient('120'), await feed.patient('121')];
    const { id } = await encounter(visit);
    const person = await gateway.as({ role: 'patient', patient: wrong.id, subject: wrong.id });
    expect((await person('GET', `/Encounter/${id}`)).status).toBe(200);
    const system = await gateway.as({ role: 'system', subject: 'ehr' });
    await system('POST', '/Consent', denyAll(right.id));
    await feed.send('ADT^A45', [pid('121'), from('120', visit), pv1(visit)]);
    await runMoves(deps);
    expect(await gone(`Encounter/${id}`)).toBe(403);
    expect(await gone(`Encounter/${id}/_history/1`)).toBe(403);
    expect(await gone(`Encounter/${id}`, person)).toBe(404);
    expect(await gone(`Encounter/${id}/_history/1`, person)).toBe(404);
  });

  it('a move that is killed on its way goes on where it was', async () => {
    const { visit } = await misfiled('130', '131');
    for (let n = 0; n < 60; n += 1) await feed.result('130', `F-${visit}-${n}`, 100 + n, visit);
    const [wrong, right] = [await feed.patient('130'), await feed.patient('131')];
    await feed.send('ADT^A45', [pid('131'), from('130', visit), pv1(visit)]);
    let left = 1;
    const { writer } = gateway.writer;
    const dying: MovesDeps = {
      ...deps,
      writer: {
        async submit(submission) {
          if (left === 0) throw new GatewayError('unavailable', 'killed');
          left -= 1;
          return writer.submit(submission);
        },
      },
    };
    await runMoves(dying);
    const half = (await feed.values(`patient=${right.id}&_count=200`)).length;
    expect(half).toBeLessThan(61);
    expect((await pendingMoves(gateway.writer.pool, 10)).length).toBe(1);
    await runMoves(deps);
    expect((await feed.values(`patient=${right.id}&_count=200`)).length).toBe(61);
    expect(await feed.values(`patient=${wrong.id}`)).toEqual([1]);
    expect(await pendingMoves(gateway.writer.pool, 10)).toEqual([]);
  });

  it('two processes that move at once move everything once', async () => {
    const { visit } = await misfiled('140', '141');
    const right = await feed.patient('141');
    await feed.send('ADT^A45', [pid('141'), from('140', visit), pv1(visit)]);
    await Promise.all([runMoves(deps), runMoves(deps)]);
    expect(await feed.values(`patient=${right.id}`)).toEqual([3]);
    expect(await encounter(visit)).toMatchObject({ meta: { versionId: '2' } });
  });

  it('takes large documents along, with what opens them', async () => {
    const { visit } = await misfiled('180', '181');
    const pdf = Buffer.alloc(400_000, 'content');
    await feed.send('MDM^T02', [
      pid('180'),
      pv1(visit),
      'TXA|1|DS|AP|20260301||20260301100000||||||D180^REC||||f.pdf|AU||AV',
      `OBX|1|ED|18842-5^Discharge summary^LN||^AP^PDF^Base64^${pdf.toString('base64')}||||||F`,
    ]);
    const [wrong, right] = [await feed.patient('180'), await feed.patient('181')];
    const documents = async (id: string): Promise<any[]> =>
      ((await doctor('GET', `/DocumentReference?patient=${id}`)).body.entry ?? []).map(({ resource }: any) => resource);
    const [{ content }] = await documents(wrong.id);
    await feed.send('ADT^A45', [pid('181'), from('180', visit), pv1(visit)]);
    await runMoves(deps);
    expect(await documents(wrong.id)).toEqual([]);
    expect(await documents(right.id)).toMatchObject([{ content, subject: { reference: `Patient/${right.id}` } }]);
    const token = await gateway.token({ role: 'patient', patient: right.id, subject: right.id });
    const read = await fetch(`${gateway.base}/${content[0].attachment.url}`, {
      headers: { authorization: `Bearer ${token}`, accept: 'application/pdf' },
    });
    expect(read.status).toBe(200);
    expect(Buffer.from(await read.arrayBuffer()).equals(pdf)).toBe(true);
    const other = await gateway.as({ role: 'patient', patient: wrong.id, subject: wrong.id });
    expect(await gone(content[0].attachment.url, other)).toBe(404);
  });

  it('goes on under the right patient; the wrong one is refused', async () => {
    const { visit } = await misfiled('150', '151');
    await feed.send('ADT^A45', [pid('151'), from('150', visit), pv1(visit)]);
    await runMoves(deps);
    await feed.send('ADT^A03', [pid('151'), pv1(visit)]);
    expect(await encounter(visit)).toMatchObject({ status: 'finished' });
    const before = (await feed.quarantined()).length;
    await feed.send('ADT^A08', [pid('150'), pv1(visit)]);
    expect((await feed.quarantined()).slice(before)).toEqual(['business-rule']);
  });

  it('of a third patient is not moved: nobody knows what was meant', async () => {
    const { visit } = await misfiled('160', '161');
    await feed.register('162');
    await feed.send('ADT^A45', [pid('161'), from('162', visit), pv1(visit)]);
    expect((await feed.quarantined()).at(-1)).toBe('conflict');
    expect(await encounter(visit)).toMatchObject({
      subject: { reference: `Patient/${(await feed.patient('160')).id}` },
    });
  });

  it('within one patient only changes its account', async () => {
    await feed.send('ADT^A04', [pid('170', 'A170^^^HOSP^AN'), pv1('V170')]);
    expect(
      await feed.send('ADT^A45', [pid('170', 'A171^^^HOSP^AN'), 'MRG|||A170^^^HOSP^AN||V170^^^HOSP^VN', pv1('V170')]),
    ).toBe('AA');
    const account = (await doctor('GET', '/Account?identifier=A171')).body.entry[0].resource;
    expect(await encounter('V170')).toMatchObject({ account: [{ reference: `Account/${account.id}` }] });
    expect(await pendingMoves(gateway.writer.pool, 10)).toEqual([]);
  });
});

describe('an account that was filed under the wrong patient', () => {
  it('A44: it moves with its visits and their results', async () => {
    await feed.register('200');
    await feed.register('201');
    await feed.send('ADT^A04', [pid('200', 'A200^^^HOSP^AN'), pv1('VA200')]);
    await feed.result('200', 'FA200', 7, 'VA200');
    const [wrong, right] = [await feed.patient('200'), await feed.patient('201')];
    expect(await feed.send('ADT^A44', [pid('201', 'A200^^^HOSP^AN'), `${mrg('200')}||A200^^^HOSP^AN`])).toBe('AA');
    await runMoves(deps);
    expect(await feed.values(`patient=${wrong.id}`)).toEqual([]);
    expect(await feed.values(`patient=${right.id}`)).toEqual([7]);
    const accounts = (await doctor('GET', '/Account?identifier=A200')).body.entry;
    expect(accounts.map(({ resource }: any) => resource.subject[0].reference)).toEqual([`Patient/${right.id}`]);
    // Later messages about it find it under the right patient.
    await feed.send('BAR^P05', [pid('201', 'A200^^^HOSP^AN')]);
    expect((await doctor('GET', '/Account?identifier=A200')).body.entry).toHaveLength(1);
  });
});

describe('a number that was one of the wrong person', () => {
  const person = (number: string): string => `${number}^^^HOSP^PT`;

  it('A43: its patient is one of the right person, and no more of the wrong one', async () => {
    for (const mrn of ['300', 'P300', 'P301']) {
      await feed.send('ADT^A28', [
        pid(mrn).replace(`${mrn}^^^HOSP^MR`, mrn.startsWith('P') ? person(mrn) : `${mrn}^^^HOSP^MR`),
      ]);
    }
    await feed.send('ADT^A24', [pid('300'), pid('P300').replace('^MR', '^PT')]);
    const [one, wrong, right] = await Promise.all(['300', 'P300', 'P301'].map((mrn) => feed.patient(mrn)));
    await feed.result('300', 'F300', 300);
    expect(await feed.values(`patient=${wrong.id}`)).toEqual([300]);
    const move = ['PID|1||300^^^HOSP^MR~P301^^^HOSP^PT||Doe^Jane', 'MRG|300^^^HOSP^MR~P300^^^HOSP^PT'];
    expect(await feed.send('ADT^A43', move)).toBe('AA');
    expect(await feed.values(`patient=${wrong.id}`)).toEqual([]);
    expect(await feed.values(`patient=${right.id}`)).toEqual([300]);
    expect((await feed.patient('300')).link).toEqual([
      { other: { reference: `Patient/${right.id}` }, type: 'seealso' },
    ]);
    expect((await feed.patient('300')).id).toBe(one.id);
  });

  it('A43: numbers that are known as one patient cannot be told apart', async () => {
    await feed.send('ADT^A28', ['PID|1||310^^^HOSP^MR~P310^^^HOSP^PT||Doe^Jane']);
    await feed.send('ADT^A43', ['PID|1||310^^^HOSP^MR~P311^^^HOSP^PT||Doe^Jane', 'MRG|310^^^HOSP^MR~P310^^^HOSP^PT']);
    expect((await feed.quarantined()).at(-1)).toBe('conflict');
  });
});
