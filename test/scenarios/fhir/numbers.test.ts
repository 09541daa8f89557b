import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFhirGateway, type FhirGateway } from '../../support/fhir-gateway.ts';
import { identityFeed, mrg, pid, pv1, type Feed } from '../../support/identity-feed.ts';

let gateway: FhirGateway;
let feed: Feed;

beforeAll(async () => {
  gateway = await startFhirGateway();
  feed = identityFeed(gateway);
});
afterAll(() => gateway.close());

const found = async (type: string, value: string): Promise<any[]> => {
  const { body } = await gateway.practitioner('GET', `/${type}?identifier=${value}`);
  return (body.entry ?? []).map(({ resource }: any) => resource);
};
const account = (number: string): string => `${number}^^^HOSP^AN`;
const numbers = ({ identifier }: any): string[] =>
  identifier.map(({ use, value }: any) => `${use ?? ''} ${value}`.trim());

describe('a number that is another from here on', () => {
  it('A47: the patient stays, is found and known by both, and the old one is an old one', async () => {
    await feed.register('100');
    const { id } = await feed.patient('100');
    expect(await feed.send('ADT^A47', [pid('101'), mrg('100')])).toBe('AA');
    expect(numbers(await feed.patient('101'))).toEqual(['old 100', '101']);
    await feed.result('101', 'F101', 1);
    await feed.result('100', 'F100', 2);
    expect(await feed.values(`patient=${id}`)).toEqual([1, 2]);
    expect(await found('Patient', '101')).toHaveLength(1);
    expect(numbers(await feed.patient('101'))).toEqual(['old 100', '101']);
  });

  it('A47: a change that is taken back makes the first number current again; of visits too (A50)', async () => {
    await feed.register('105');
    await feed.send('ADT^A47', [pid('106'), mrg('105')]);
    await feed.send('ADT^A47', [pid('105'), mrg('106')]);
    expect(numbers(await feed.patient('106'))).toEqual(['105', 'old 106']);
    const renumber = (to: string, from: string): Promise<string> =>
      feed.send('ADT^A50', [pid('105'), `MRG|105^^^HOSP^MR||||${from}^^^HOSP^VN`, pv1(to)]);
    await renumber('V106', 'V105');
    await renumber('V105', 'V106');
    expect(numbers((await found('Encounter', 'V106'))[0])).toEqual(['V105', 'old V106']);
  });

  it('numbers of two patients in one message: none of them is found by the number of the other', async () => {
    await feed.register('107');
    await feed.register('108');
    await feed.send('ADT^A08', ['PID|1||107^^^HOSP^MR~108^^^HOSP^MR~X107^^^HOSP^XX||Roe^Ann', pv1('V107')]);
    expect(numbers(await feed.patient('107'))).toEqual(['107', 'X107']);
    expect(await found('Patient', '108')).toHaveLength(1);
    expect((await feed.patient('107')).name[0].family).toBe('Roe');
    expect((await feed.patient('108')).name[0].family).toBe('Doe');
  });

  it('A47: numbers that PID-3 keeps are not old', async () => {
    await feed.send('ADT^A28', ['PID|1||110^^^HOSP^MR~P110^^^HOSP^PT||Doe^Jane']);
    await feed.send('ADT^A47', ['PID|1||111^^^HOSP^MR~P110^^^HOSP^PT||Doe^Jane', 'MRG|110^^^HOSP^MR~P110^^^HOSP^PT']);
    expect(numbers(await feed.patient('111'))).toEqual(['old 110', 'P110', '111']);
  });

  it('A47: two numbers that are two patients are not guessed to be one', async () => {
    await feed.register('120');
    await feed.register('121');
    await feed.send('ADT^A47', [pid('121'), mrg('120')]);
    expect((await feed.quarantined()).at(-1)).toBe('conflict');
    expect(numbers(await feed.patient('120'))).toEqual(['120']);
  });

  it('A47 may come before the patient is known, and again', async () => {
    await feed.send('ADT^A47', [pid('131'), mrg('130')]);
    await feed.send('ADT^A47', [pid('131'), mrg('130')]);
    await feed.result('130', 'F130', 130);
    expect(await feed.values(`patient=${(await feed.patient('131')).id}`)).toEqual([130]);
  });

  it('A48: an alternate number, which is no key', async () => {
    const alternate = (number: string): string => `PID|1||135^^^HOSP^MR|${number}|Doe^Jane`;
    await feed.send('ADT^A28', [alternate('X1')]);
    expect(await feed.send('ADT^A48', [alternate('X2'), 'MRG|135^^^HOSP^MR|X1'])).toBe('AA');
    expect(numbers(await feed.patient('135'))).toEqual(['135', 'old X1', 'X2']);
  });

  it('A50: the visit stays', async () => {
    await feed.register('140');
    const [{ id }] = await found('Encounter', 'V140');
    expect(await feed.send('ADT^A50', [pid('140'), 'MRG|140^^^HOSP^MR||||V140^^^HOSP^VN', pv1('V140-2')])).toBe('AA');
    await feed.send('ADT^A03', [pid('140'), pv1('V140-2')]);
    const [visit] = await found('Encounter', 'V140-2');
    expect(visit).toMatchObject({ id, status: 'finished' });
    expect(numbers(visit)).toEqual(['old V140', 'V140-2']);
  });

  it('A49: the account stays', async () => {
    await feed.send('ADT^A04', [pid('150', account('A150')), pv1('V150')]);
    const [{ id }] = await found('Account', 'A150');
    expect(await feed.send('ADT^A49', [pid('150', account('A151')), `MRG|150^^^HOSP^MR||${account('A150')}`])).toBe(
      'AA',
    );
    expect((await found('Account', 'A151')).map((one) => [one.id, numbers(one)])).toEqual([[id, ['old A150', 'A151']]]);
  });
});

describe('accounts and visits that are one', () => {
  it('A42: the merged visit is entered-in-error and names the other; results stay where they are', async () => {
    await feed.register('200');
    await feed.send('ADT^A04', [pid('200'), pv1('V200-2')]);
    await feed.result('200', 'F200', 200, 'V200-2');
    expect(await feed.send('ADT^A42', [pid('200'), 'MRG|200^^^HOSP^MR||||V200-2^^^HOSP^VN', pv1('V200')])).toBe('AA');
    const [visit] = (await found('Encounter', 'V200')).filter(({ status }) => status !== 'entered-in-error');
    const merged = (await found('Encounter', 'V200-2')).find(({ status }) => status === 'entered-in-error');
    expect(numbers(visit)).toEqual(['V200', 'old V200-2']);
    expect(merged.extension).toEqual([
      {
        url: 'http://hl7.org/fhir/StructureDefinition/encounter-associatedEncounter',
        valueReference: { reference: `Encounter/${visit.id}` },
      },
    ]);
    expect(await feed.values(`encounter=Encounter/${merged.id}`)).toEqual([200]);
    await feed.send('ADT^A08', [pid('200'), pv1('V200-2')]);
    expect((await gateway.practitioner('GET', `/Encounter/${merged.id}`)).body.status).toBe('entered-in-error');
  });

  it('A42 turned round: the visit that survives is one again', async () => {
    await feed.register('205');
    await feed.send('ADT^A04', [pid('205'), pv1('V205-2')]);
    const merge = (surviving: string, merged: string): Promise<string> =>
      feed.send('ADT^A42', [pid('205'), `MRG|205^^^HOSP^MR||||${merged}^^^HOSP^VN`, pv1(surviving)]);
    await merge('V205', 'V205-2');
    await merge('V205-2', 'V205');
    const statuses = Object.fromEntries(
      (await found('Encounter', 'V205')).map(({ status, identifier }) => [identifier[0].value, status]),
    );
    expect(statuses).toEqual({ V205: 'entered-in-error', 'V205-2': 'in-progress' });
  });

  it('A41: the merged account is inactive; a repeated one changes nothing', async () => {
    for (const number of ['A210', 'A211']) await feed.send('ADT^A04', [pid('210', account(number)), pv1(`V${number}`)]);
    const merge = [pid('210', account('A210')), `MRG|||${account('A211')}`];
    expect(await feed.send('ADT^A41', merge)).toBe('AA');
    const state = async (): Promise<unknown> =>
      (await found('Account', 'A211')).map((one) => `${one.status} ${numbers(one).join(', ')}`).toSorted();
    expect(await state()).toEqual(['active A210, old A211', 'inactive A211']);
    await feed.send('ADT^A41', merge);
    expect(await state()).toHaveLength(2);
  });

  it('A36: patients and accounts', async () => {
    for (const mrn of ['220', '221']) await feed.send('ADT^A04', [pid(mrn, account(`A${mrn}`)), pv1(`V${mrn}`)]);
    const merge = [pid('220', account('A220')), `MRG|221^^^HOSP^MR||${account('A221')}`];
    expect(await feed.send('ADT^A36', merge)).toBe('AA');
    const merged = await feed.patient('221');
    expect(merged).toMatchObject({ active: false, link: [{ type: 'replaced-by' }] });
    const accounts = await found('Account', 'A221');
    expect(accounts.map(({ status, subject }) => `${status} ${subject[0].reference}`).toSorted()).toEqual([
      `active Patient/${(await feed.patient('220')).id}`,
      `inactive Patient/${merged.id}`,
    ]);
  });
});
