/** Messages of one source that arrive in another order than they were sent: what a result repeats of patient and visit outruns no event. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startFhirGateway, type FhirGateway } from '../../support/fhir-gateway.ts';
import { identityFeed, pv1, type Feed } from '../../support/identity-feed.ts';

let gateway: FhirGateway;
let feed: Feed;
beforeAll(async () => {
  gateway = await startFhirGateway();
  feed = identityFeed(gateway);
});
afterAll(() => gateway.close());

const pid = (mrn: string, given: string): string => `PID|1||${mrn}^^^HOSP^MR||Doe^${given}||19800704|F`;
const HOUR = 3600;

async function result(mrn: string, given: string, visit: string, at: number): Promise<void> {
  const segments = [pid(mrn, given), pv1(visit), `OBR|1||${mrn}^LAB|718-7^Hb^LN`, 'OBX|1|NM|718-7^Hb^LN||5|g/dL|||||F'];
  expect(await feed.send('ORU^R01', segments, { at })).toBe('AA');
}

async function visitOf(patient: string): Promise<any> {
  return (await gateway.practitioner('GET', `/Encounter?patient=${patient}`)).body.entry[0].resource;
}

it('a registration and a discharge count that arrive after a later result', async () => {
  await result('70', 'J', 'V70', 5 * HOUR);
  expect(await feed.patient('70')).toMatchObject({ name: [{ given: ['J'] }] });
  expect(await feed.send('ADT^A01', [pid('70', 'Jane'), pv1('V70')], { at: 1 * HOUR })).toBe('AA');
  const patient = await feed.patient('70');
  expect(patient).toMatchObject({ name: [{ given: ['Jane'] }] });
  expect(await feed.send('ADT^A03', [pid('70', 'Jane'), pv1('V70')], { at: 2 * HOUR })).toBe('AA');
  expect(await visitOf(patient.id)).toMatchObject({ status: 'finished' });
});

it('a diagnosis counts that arrives after a later event without one', async () => {
  await feed.send('ADT^A08', [pid('74', 'Ida'), pv1('V74')], { at: 5 * HOUR });
  await feed.send('ADT^A01', [pid('74', 'Ida'), pv1('V74'), 'DG1|1||I10^Hypertension^I10|||A'], { at: 4 * HOUR });
  expect(await visitOf((await feed.patient('74')).id)).toMatchObject({ diagnosis: [{ condition: {} }] });
});

it('a change of name counts that arrives after a later result, and not after a later change', async () => {
  await feed.send('ADT^A04', [pid('71', 'Ann'), pv1('V71')], { at: 1 * HOUR });
  await result('71', 'Ann', 'V71', 5 * HOUR);
  await feed.send('ADT^A08', [pid('71', 'Anna'), pv1('V71')], { at: 4 * HOUR });
  expect(await feed.patient('71')).toMatchObject({ name: [{ given: ['Anna'] }] });
  await feed.send('ADT^A08', [pid('71', 'Annie'), pv1('V71')], { at: 3 * HOUR });
  expect(await feed.patient('71')).toMatchObject({ name: [{ given: ['Anna'] }] });
});

it('a merge that arrives first does not keep an earlier change of name out', async () => {
  await feed.send('ADT^A40', ['PID|1||72^^^HOSP^MR', 'MRG|73^^^HOSP^MR'], { at: 5 * HOUR });
  await feed.send('ADT^A08', [pid('72', 'Eve'), pv1('V72')], { at: 4 * HOUR });
  expect(await feed.patient('72')).toMatchObject({ name: [{ given: ['Eve'] }], link: [{ type: 'replaces' }] });
});
