import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFhirGateway, type Client, type FhirGateway } from '../../support/fhir-gateway.ts';
import { denyAll } from '../../support/fhir-samples.ts';
import { profile } from '../../support/hl7v2.ts';
import { identityFeed, mrg, pid, type Feed } from '../../support/identity-feed.ts';

let gateway: FhirGateway;
let doctor: Client;
let feed: Feed;

beforeAll(async () => {
  gateway = await startFhirGateway();
  doctor = gateway.practitioner;
  feed = identityFeed(gateway);
});
afterAll(() => gateway.close());

const send: Feed['send'] = (...message) => feed.send(...message);
const register = (mrn: string): Promise<string> => feed.register(mrn);
const result = (mrn: string, filler: string, value: number): Promise<string> => feed.result(mrn, filler, value);
const patient = (mrn: string): Promise<any> => feed.patient(mrn);
const values = (query: string, client?: Client): Promise<number[]> => feed.values(query, client);
const quarantined = (): Promise<readonly string[]> => feed.quarantined();

/** Three registered patients with a result each, whose value is the number of the patient. */
async function three(first: number): Promise<readonly [string, string, string]> {
  const mrns = [first, first + 1, first + 2].map(String);
  for (const mrn of mrns) {
    await register(mrn);
    await result(mrn, `F${mrn}`, Number(mrn));
  }
  return [mrns[0], mrns[1], mrns[2]];
}

const without = ({ meta: _meta, ...content }: any): any => content;
describe('a merge', () => {
  it('links both ways, and reads by either go over both charts', async () => {
    await register('100');
    await register('200');
    await result('100', 'F100', 10);
    await result('200', 'F200', 20);
    expect(await values(`patient=${(await patient('100')).id}`)).toEqual([10]);
    expect(await send('ADT^A40', [pid('100'), mrg('200')])).toBe('AA');

    const [survivor, merged] = [await patient('100'), await patient('200')];
    expect(merged).toMatchObject({
      active: false,
      link: [{ other: { reference: `Patient/${survivor.id}` }, type: 'replaced-by' }],
    });
    expect(survivor.link).toEqual([{ other: { reference: `Patient/${merged.id}` }, type: 'replaces' }]);
    expect(survivor.active).toBeUndefined();
    for (const { id } of [survivor, merged]) {
      expect(await values(`patient=${id}`)).toEqual([10, 20]);
      expect(await values(`subject=Patient/${id}&code=718-7`)).toEqual([10, 20]);
      expect(await values(`subject:Patient=${id}&_total=accurate`)).toEqual([10, 20]);
    }
    expect((await doctor('GET', `/Patient/${merged.id}`)).body.link[0].type).toBe('replaced-by');
    const provenance = await doctor('GET', `/Provenance?patient=Patient/${survivor.id}`);
    expect(JSON.stringify(provenance.body)).toContain(`Patient/${merged.id}`);
  });

  it('that is undone leaves everything as before', async () => {
    const [a, b] = await three(110);
    const before = [await patient(a), await patient(b)].map(without);
    await send('ADT^A40', [pid(a), mrg(b)]);
    expect(await values(`patient=${before[0].id}`)).toEqual([110, 111]);
    expect(await send('ADT^A37', [pid(a), pid(b)])).toBe('AA');
    expect([await patient(a), await patient(b)].map(without)).toEqual(before);
    expect(await values(`patient=${before[0].id}`)).toEqual([110]);
    expect(await values(`patient=${before[1].id}`)).toEqual([111]);
  });

  it('and its undoing end the same in whatever order they arrive', async () => {
    const states: any[] = [];
    const steps = [
      ['ADT^A40', 500_010],
      ['ADT^A37', 500_020],
      ['ADT^A24', 500_030],
    ] as const;
    const orders = [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ];
    for (const [i, order] of orders.entries()) {
      for (const last of [2, 3]) {
        const [a, b] = [`8${i}${last}1`, `8${i}${last}2`];
        await register(a);
        await register(b);
        for (const step of order.filter((one) => one < last)) {
          const [type, at] = steps[step];
          const second = type === 'ADT^A40' ? mrg(b) : pid(b);
          expect(await send(type, [pid(a), second], { at })).toBe('AA');
        }
        const [one, other] = [await patient(a), await patient(b)];
        states.push([last, one.link?.[0]?.type, other.link?.[0]?.type, one.active, other.active]);
      }
    }
    expect(states.filter(([last]) => last === 2)).toEqual(
      orders.map(() => [2, undefined, undefined, undefined, undefined]),
    );
    expect(states.filter(([last]) => last === 3)).toEqual(
      orders.map(() => [3, 'seealso', 'seealso', undefined, undefined]),
    );
  });

  it('is followed over a chain', async () => {
    const [a, b, c] = await three(120);
    await send('ADT^A40', [pid(b), mrg(a)]);
    await send('ADT^A40', [pid(c), mrg(b)]);
    const ids = await Promise.all([a, b, c].map(async (mrn) => (await patient(mrn)).id));
    for (const id of ids) expect(await values(`patient=${id}`)).toEqual([120, 121, 122]);
    expect([await patient(a), await patient(b), await patient(c)].map(({ active }) => active)).toEqual([
      false,
      false,
      undefined,
    ]);
    await send('ADT^A37', [pid(c), pid(b)]);
    expect(await values(`patient=${ids[0]}`)).toEqual([120, 121]);
    expect(await values(`patient=${ids[2]}`)).toEqual([122]);
    expect((await patient(b)).active).toBeUndefined();
  });

  it('that is repeated changes nothing', async () => {
    const [a, b] = await three(130);
    await send('ADT^A40', [pid(a), mrg(b)]);
    const before = [await patient(a), await patient(b)];
    await send('ADT^A40', [pid(a), mrg(b)]);
    expect([await patient(a), await patient(b)]).toEqual(before);
  });

  it('turned round makes the other one survive', async () => {
    const [a, b] = await three(140);
    await send('ADT^A40', [pid(a), mrg(b)]);
    await send('ADT^A40', [pid(b), mrg(a)]);
    expect(await patient(a)).toMatchObject({ active: false, link: [{ type: 'replaced-by' }] });
    const survivor = await patient(b);
    expect(survivor.link).toMatchObject([{ type: 'replaces' }]);
    expect(survivor.active).toBeUndefined();
  });

  it('that would close a circle is not taken, and nobody is lost', async () => {
    const [a, b, c] = await three(150);
    await send('ADT^A40', [pid(b), mrg(a)]);
    await send('ADT^A40', [pid(c), mrg(b)]);
    await send('ADT^A40', [pid(a), mrg(c)]);
    expect((await quarantined()).at(-1)).toBe('conflict');
    expect((await patient(c)).active).toBeUndefined();
    expect(await values(`patient=${(await patient(a)).id}`)).toEqual([150, 151, 152]);
  });

  it('may come before either patient is known', async () => {
    await send('ADT^A40', [pid('160'), `${mrg('161')}||||||Old^Name`]);
    expect(await patient('161')).toMatchObject({ active: false, name: [{ family: 'Old' }] });
    await result('160', 'F160', 160);
    await result('161', 'F161', 161);
    expect(await values(`patient=${(await patient('160')).id}`)).toEqual([160, 161]);
    expect(await patient('161')).toMatchObject({ active: false });
  });

  it('takes all patients as whom the numbers of MRG-1 are known', async () => {
    const [a, b, c] = await three(170);
    await send('ADT^A40', [pid(a), `${mrg(b)}~${c}^^^HOSP^PI`]);
    expect((await patient(a)).link).toHaveLength(2);
    expect(await values(`patient=${(await patient(b)).id}`)).toEqual([170, 171, 172]);
  });

  it('whose survivor repeats the merged number in PID-3 keeps them apart', async () => {
    await register('181');
    await send('ADT^A40', ['PID|1||180^^^HOSP^MR~181^^^HOSP^MR||Doe^Jane', mrg('181')]);
    const merged = await patient('181');
    expect(merged).toMatchObject({ active: false, link: [{ type: 'replaced-by' }] });
    expect((await patient('180')).id).not.toBe(merged.id);
  });

  it('of two at once about one patient loses nothing', async () => {
    const [a, b, c] = await three(190);
    await Promise.all([send('ADT^A40', [pid(a), mrg(b)]), send('ADT^A40', [pid(a), mrg(c)])]);
    expect((await patient(a)).link).toHaveLength(2);
    expect(await values(`patient=${(await patient(c)).id}`)).toEqual([190, 191, 192]);
  });

  it('is known to the other processes of the gateway at once', async () => {
    const other = await startFhirGateway({ beside: gateway });
    try {
      const [a, b] = await three(210);
      const { id } = await patient(a);
      expect(await values(`patient=${id}`, other.practitioner)).toEqual([210]);
      await send('ADT^A40', [pid(a), mrg(b)]);
      expect(await values(`patient=${id}`, other.practitioner)).toEqual([210, 211]);
      await send('ADT^A37', [pid(a), pid(b)]);
      expect(await values(`patient=${id}`, other.practitioner)).toEqual([210]);
    } finally {
      await other.close();
    }
  });
});

describe('after a merge', () => {
  it('a source goes on under the surviving number: what is said of the old chart stays in it', async () => {
    const [a, b] = await three(220);
    await send('ADT^A40', [pid(a), mrg(b)]);
    const { id: merged } = await patient(b);
    await result(a, `F${b}`, 2210);
    await send('ADT^A03', [pid(a), `PV1|1|O|||||||||||||||||V${b}^^^HOSP^VN`]);
    expect(await values(`patient=${merged}`)).toEqual([220, 2210]);
    const { body } = await doctor('GET', `/Observation?patient=${merged}&value-quantity=2210`);
    expect(body.entry[0].resource).toMatchObject({
      subject: { reference: `Patient/${merged}` },
      meta: { versionId: '2' },
    });
    const visits = await doctor('GET', `/Encounter?identifier=V${b}`);
    expect(visits.body.entry[0].resource).toMatchObject({
      status: 'finished',
      subject: { reference: `Patient/${merged}` },
    });
  });

  it('a message that lists both numbers means the survivor, in whatever order they stand', async () => {
    const [a, b] = await three(225);
    await send('ADT^A40', [pid(a), mrg(b)]);
    const { id } = await patient(a);
    await send('ADT^A08', [`PID|1||${b}^^^HOSP^MR~${a}^^^HOSP^MR||Married^Jane`]);
    const { body } = await doctor('GET', `/Patient/${id}`);
    expect(body).toMatchObject({ name: [{ family: 'Married' }] });
    expect(
      (await doctor('GET', `/Patient?identifier=${b}&_count=5`)).body.entry.map(({ resource }: any) => resource.active),
    ).toContain(false);
  });

  it('a subject that is not linked is still refused', async () => {
    const [a, b] = await three(230);
    await result(a, `F${b}`, 2310);
    expect((await quarantined()).at(-1)).toBe('business-rule');
    expect(await values(`patient=${(await patient(b)).id}`)).toEqual([231]);
  });

  it('a denial in either chart denies both, and ends with the merge', async () => {
    const [a, b] = await three(240);
    const [one, other] = [await patient(a), await patient(b)];
    const system = await gateway.as({ role: 'system', subject: 'ehr' });
    expect((await system('POST', '/Consent', denyAll(other.id))).status).toBe(201);
    expect(await values(`patient=${one.id}`)).toEqual([240]);
    await send('ADT^A40', [pid(a), mrg(b)]);
    expect(await values(`patient=${one.id}`)).toEqual([]);
    expect((await doctor('GET', `/Patient/${one.id}`)).status).toBe(403);
    await send('ADT^A37', [pid(a), pid(b)]);
    expect(await values(`patient=${one.id}`)).toEqual([240]);
  });

  it('the token of one chart reads all of them, and the trail of each names what was read of it', async () => {
    const [a, b] = await three(250);
    const [one, other] = [await patient(a), await patient(b)];
    const person = await gateway.as({ role: 'patient', patient: one.id, subject: one.id });
    expect(await values('', person)).toEqual([250]);
    expect((await person('GET', `/Patient/${other.id}`)).status).toBe(404);
    await send('ADT^A40', [pid(a), mrg(b)]);
    expect(await values('', person)).toEqual([250, 251]);
    expect((await person('GET', `/Patient/${other.id}`)).status).toBe(200);
    const charts = await person('GET', '/Patient');
    expect(new Set(charts.body.entry.map(({ resource }: any) => resource.id))).toEqual(new Set([one.id, other.id]));
    await values(`patient=${one.id}`);
    const trail = await person('GET', `/AuditEvent?patient=${one.id}&_count=100`);
    const reads = trail.body.entry.filter(({ resource }: any) => resource.agent[0].who?.identifier?.value !== one.id);
    const subjects = new Set<string>(reads.map(({ resource }: any) => resource.entity[0].what.reference));
    expect([...subjects].toSorted()).toEqual([`Patient/${one.id}`, `Patient/${other.id}`].toSorted());
  });

  it('later pages of a search stay as they were', async () => {
    const [a, b] = await three(260);
    await result(a, 'F260-2', 2602);
    const { id } = await patient(a);
    const first = await doctor('GET', `/Observation?patient=${id}&_count=1`);
    await send('ADT^A40', [pid(a), mrg(b)]);
    const next = first.body.link.find(({ relation }: any) => relation === 'next').url;
    const second = await doctor('GET', next);
    expect(second.body.entry).toHaveLength(1);
    expect(second.body.link.some(({ relation }: any) => relation === 'next')).toBe(false);
  });
});

describe('patients are not parted', () => {
  it('whose numbers are known as one', async () => {
    await send('ADT^A28', ['PID|1||290^^^HOSP^MR~291^^^HOSP^MR||Doe^Jane']);
    await send('ADT^A37', [pid('290'), pid('291')]);
    expect((await quarantined()).at(-1)).toBe('conflict');
  });
});

describe('patients are never joined', () => {
  it('more than 64 as one person', async () => {
    for (let n = 1; n < 64; n += 1) await send('ADT^A40', [pid('9000'), mrg(`${9000 + n}`)]);
    expect((await patient('9000')).link).toHaveLength(63);
    await send('ADT^A40', [pid('9000'), mrg('9064')]);
    expect((await quarantined()).at(-1)).toBe('business-rule');
    await send('ADT^A40', [pid('9063'), mrg('9065')]);
    expect((await quarantined()).slice(-2)).toEqual(['business-rule', 'business-rule']);
  });

  const untouched = async (type: string, segments: readonly string[], sources: object = {}): Promise<void> => {
    const before = (await quarantined()).length;
    await send(type, segments, sources);
    const after = await quarantined();
    expect(after.slice(before)).toEqual(['business-rule']);
  };

  it('on a bare number', async () => {
    await register('300');
    await register('301');
    await untouched('ADT^A40', [pid('300'), 'MRG|301']);
    expect((await patient('301')).link).toBeUndefined();
  });

  it('across assigners that the source is not authorised for', async () => {
    await untouched('ADT^A40', [pid('302'), 'MRG|77^^^&2.16.840.1.113883.3.99&ISO^MR']);
    await untouched('ADT^A24', [pid('302'), 'PID|2||77^^^&2.16.840.1.113883.3.99&ISO^MR||Doe^Jane']);
    expect(await patient('302')).toBeUndefined();
  });

  it('for an assigner that the profile does not name', async () => {
    const narrow = profile({ assigners: ['https://hospital.example/ids/OTHER'] });
    await untouched('ADT^A40', [pid('303'), mrg('304')], { source: narrow });
  });

  it('but across assigners that the profile names', async () => {
    const mpi = 'urn:oid:2.16.840.1.113883.3.99';
    const wide = profile({ assigners: ['https://hospital.example/ids/HOSP', mpi] });
    await send('ADT^A24', [pid('305'), 'PID|2||78^^^&2.16.840.1.113883.3.99&ISO^PI||Doe^Jane'], { source: wide });
    expect((await patient('305')).link).toMatchObject([{ type: 'seealso' }]);
  });
});
