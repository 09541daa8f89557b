import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

test('a test database is a real Postgres of its own, by config and by URL', async () => {
  for (const config of [database.config, { connectionString: database.url }]) {
    const client = new pg.Client(config);
    await client.connect();
    const { rows } = await client.query<{ name: string; major: number }>(
      "select current_database() as name, current_setting('server_version_num')::int / 10000 as major",
    );
    await client.end();
    expect(rows).toEqual([{ name: database.config.database, major: 18 }]);
  }
});
