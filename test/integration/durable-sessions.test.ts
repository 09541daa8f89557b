/** Sessions of the gateway wait for the disk, whatever the database was set to for others. */
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openPool } from '../../src/storage/pg/pool.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

it.each([
  ['off', false, 'on'],
  ['local', false, 'local'],
  ['remote_apply', false, 'remote_apply'],
  ['on', true, 'off'],
])('a database set to %s (relaxed: %s) is used with %s', async (setting, relaxed, used) => {
  const admin = new pg.Client(database.admin);
  await admin.connect();
  await admin.query(`alter database ${database.admin.database} set synchronous_commit = ${setting}`);
  await admin.end();
  const pool = openPool(database.config, { max: 1, statementTimeoutMs: 0, relaxed }, () => {});
  const { rows } = await pool.query('show synchronous_commit');
  expect(rows).toEqual([{ synchronous_commit: used }]);
  await pool.end();
});
