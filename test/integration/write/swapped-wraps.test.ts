/** What the database's account could do with wraps, which it may change: one that stands in another row is not taken. */
import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { openTestWriter, type TestWriter } from '../../support/writer.ts';

let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(() => database.drop());

function submit(writer: TestWriter, patient: number, n: number): Promise<unknown> {
  return writer.writer.submit({
    kind: 'hl7v2',
    source: 'lab',
    control: `C${n}`,
    receivedAt: n,
    sourceTime: n,
    details: {},
    changes: [
      {
        mode: 'merge',
        type: 'Patient',
        keys: [['identifier', 'urn:mrn', `${patient}`]],
        sourceTime: n,
        set: { resourceType: 'Patient', name: [{ family: `F${n}` }] },
      },
    ],
  });
}

it.each([{ table: 'lockbox' }, { table: 'patient' }])('$table', async ({ table }) => {
  const before = await openTestWriter({ database });
  await submit(before, 1, 1);
  await submit(before, 2, 2);
  const { keys } = before;
  await before.close();
  const client = new pg.Client(database.config);
  await client.connect();
  // The wraps of the two newest rows change places, by the account of the gateway.
  const key = table === 'lockbox' ? 'leaf' : 'patient';
  const found = await client.query<{ id: unknown; wrap: Buffer }>(
    `select ${key} as id, wrap from ${table} where leaf > 0 order by leaf desc limit 2`,
  );
  const [one, two] = found.rows;
  if (one === undefined || two === undefined) throw new Error('too few rows');
  await client.query(`update ${table} set wrap = $2 where ${key} = $1`, [one.id, two.wrap]);
  await client.query(`update ${table} set wrap = $2 where ${key} = $1`, [two.id, one.wrap]);
  await client.end();
  const after = await openTestWriter({ database, keys });
  await expect(submit(after, 2, 3)).rejects.toMatchObject({ code: 'integrity' });
  await after.close();
});
