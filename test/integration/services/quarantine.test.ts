import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseAck } from '../../../src/formats/hl7v2/ack.ts';
import { acceptHl7v2, type AcceptHl7v2Deps } from '../../../src/services/accept-hl7v2.ts';
import { serviceDeps } from '../../support/hl7v2-writer.ts';
import { adt, oru } from '../../support/hl7v2.ts';
import { openTestWriter, type TestWriter } from '../../support/writer.ts';

let database: TestWriter;
let deps: AcceptHl7v2Deps;
beforeAll(async () => {
  database = await openTestWriter();
  deps = serviceDeps(database.writer);
});
afterAll(() => database.close());

const PID = 'PID|1||4711^^^HOSP^MR||Doe^Jane';
const KNOWN = adt('A28', [PID]);
const VISIT = (control: string, number: string): string =>
  adt('A01', [`PID|1||${number}^^^HOSP^MR||Roe^Rita`, 'PV1|1|I|||||||||||||||||V-1^^^HOSP']).replace(
    /\|(A01-[^|]*)\|P/,
    `|${control}|P`,
  );

async function send(message: string): Promise<string> {
  return String(await acceptHl7v2(deps, Buffer.from(message)));
}

async function quarantined(): Promise<readonly { reason: string; own: boolean }[]> {
  // A raw message in the lockbox of a patient stands in another than one of nobody's day.
  const { rows } = await database.pool.query<{ reason: string; own: boolean; lockbox: number }>(
    'select q.reason, p.lockbox from quarantine q join payload p on p.grp = q.leaf * 4096 order by q.leaf',
  );
  return rows;
}

it('a visit that is another patient, an event of nobody: kept, acknowledged, and resent without another row', async () => {
  expect(parseAck(Buffer.from(await send(KNOWN)))?.code).toBe('AA');
  expect(parseAck(Buffer.from(await send(VISIT('C-1', '1'))))?.code).toBe('AA');
  const stolen = await send(VISIT('C-2', '2'));
  expect(parseAck(Buffer.from(stolen))).toMatchObject({ code: 'AA', condition: '207' });
  expect(await send(VISIT('C-2', '2'))).toBe(stolen);
  const unknown = oru({ obx: [] }).replace('ORU^R01^ORU_R01', 'QBP^Q11');
  expect(await send(unknown)).toContain('\rERR|');
  expect(await send(adt('A99', [PID]))).toContain('\rERR|');
  expect((await quarantined()).map(({ reason }) => reason)).toEqual([
    'business-rule',
    'unsupported-message-type',
    'unsupported-event',
  ]);
  // The last one is of a patient known here: sealed where the erasure of that patient reaches it.
  const { rows } = await database.pool.query<{ n: number }>(
    `select count(distinct p.lockbox)::int as n from payload p join quarantine q on p.grp = q.leaf * 4096`,
  );
  expect(rows[0].n).toBe(2);
});
