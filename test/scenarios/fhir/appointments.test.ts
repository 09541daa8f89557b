import { afterAll, beforeAll, expect, it } from 'vitest';
import { startFhirGateway, type FhirGateway } from '../../support/fhir-gateway.ts';
import { identityFeed, pid, type Feed } from '../../support/identity-feed.ts';

let gateway: FhirGateway;
let feed: Feed;

beforeAll(async () => {
  gateway = await startFhirGateway();
  feed = identityFeed(gateway);
});
afterAll(() => gateway.close());

const TIME = 'TQ1|1||||||20260310103000+0100|20260310110000+0100';
const appointments = async (mrn: string): Promise<any[]> => {
  const { id } = await feed.patient(mrn);
  const { body } = await gateway.practitioner('GET', `/Appointment?patient=${id}`);
  return (body.entry ?? []).map(({ resource }: any) => resource);
};

it('each patient of a group sees their own appointment, and none of the others', async () => {
  await feed.register('301');
  await feed.register('302');
  const booking = ['SCH|P300|F300', TIME, pid('301'), pid('302'), 'RGS|1', 'AIP|1|A|7^Lee^Ann'];
  expect(await feed.send('SIU^S12', booking)).toBe('AA');
  expect(await feed.send('SIU^S15', ['SCH|P300|F300', TIME, pid('302')])).toBe('AA');
  const [[first], [second]] = [await appointments('301'), await appointments('302')];
  expect([first.status, second.status]).toEqual(['booked', 'cancelled']);
  const other = (await feed.patient('302')).id;
  expect(JSON.stringify(first)).not.toContain(other);
});

it('a cancellation without a PID finds its appointment; of one that is not known it is kept', async () => {
  await feed.register('310');
  await feed.send('SIU^S12', ['SCH|P310|F310', TIME, pid('310')]);
  expect(await feed.send('SIU^S15', ['SCH||F310||||ILL^Patient ill'])).toBe('AA');
  expect(await appointments('310')).toMatchObject([
    { status: 'cancelled', cancelationReason: { coding: [{ code: 'ILL' }] }, start: '2026-03-10T10:30:00+01:00' },
  ]);
  expect(await feed.send('SIU^S15', ['SCH||F399'])).toBe('AA');
  expect((await feed.quarantined()).at(-1)).toBe('required-missing');
});
