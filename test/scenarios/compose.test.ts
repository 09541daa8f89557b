/**
 * The steps of docker/compose.yaml on a real Postgres, with the settings that stand there: the account is made, the database is
 * prepared by the superuser, and the gateway runs with its own account and misses no protection.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { startGateway } from '../../src/app.ts';
import { prepareDatabaseCommand } from '../../src/cli/prepare-database.ts';
import { sampleOru } from '../../src/cli/samples/hl7v2.ts';
import { silentLog } from '../../src/core/log.ts';
import { configOf, runInProcess, sendHl7 } from '../support/network.ts';
import { connectionUrl, createTestDatabase, type TestDatabase } from '../support/postgres.ts';

const compose = parse(readFileSync('docker/compose.yaml', 'utf8')) as {
  services: Record<'prepare' | 'gateway', { environment: Record<string, string> }>;
};
const ACCOUNT = `compose_gateway_${process.pid}`;
const folder = mkdtempSync(join(tmpdir(), 'anamnesis-compose-'));
let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase({ empty: true });
  const sql = readFileSync('docker/gateway-account.sql', 'utf8');
  // What psql puts in for its variable; roles are shared by the whole cluster of the tests, hence another name.
  await admin(
    sql
      .replace(/^\\set .*$/m, '')
      .replace(":'password'", "'compose'")
      .replace('role gateway', `role ${ACCOUNT}`),
  );
});
afterAll(async () => {
  await admin(`drop owned by ${ACCOUNT}`);
  await database.drop();
  await admin(`drop role ${ACCOUNT}`, { ...database.admin, database: 'postgres' });
  rmSync(folder, { recursive: true, force: true });
});

async function admin(statement: string, connection = database.admin): Promise<void> {
  const client = new pg.Client(connection);
  await client.connect();
  await client.query(statement).finally(() => client.end());
}

/** A service's settings as in its container, but for places. */
function settings(service: 'prepare' | 'gateway'): Record<string, string> {
  const { environment } = compose.services[service];
  const image = { HOST: '0.0.0.0', NODE_ENV: 'production' };
  const urls: Record<string, string> = {
    DATABASE_URL: connectionUrl({ ...database.admin, user: ACCOUNT }),
    DATABASE_ADMIN_URL: connectionUrl(database.admin),
  };
  const places = { DATA_DIR: folder, HTTP_PORT: '0', MLLP_PORT: '0', DICOM_PORT: '0' };
  const given = Object.entries({ ...image, ...environment }).map(([name, value]) => [
    name,
    urls[name] ?? value.replace(/\$\{\w+:-([^}]*)\}/, '$1'),
  ]);
  const {
    KEY_FILE: _file,
    KEY_PASSPHRASE_FILE: _passphrase,
    ...rest
  } = Object.fromEntries(given) as Record<string, string>;
  return { ...rest, ...places };
}

it('gives a gateway that adds to the ledger and cannot change it', async () => {
  const prepared = await runInProcess(prepareDatabaseCommand, [], settings('prepare'));
  expect(prepared.out).not.toContain('NOT protected');
  expect(prepared.code).toBe(0);
  // Again, as at every `up`.
  expect(await runInProcess(prepareDatabaseCommand, [], settings('prepare'))).toMatchObject({ code: 0 });

  const gateway = await startGateway(configOf({ ...settings('gateway'), HOST: '127.0.0.1' }, folder), silentLog);
  try {
    expect(gateway.warnings).toEqual([]);
    await sendHl7({ gateway }, [sampleOru(1)]);
    await expect(
      admin('delete from document', { ...database.admin, user: ACCOUNT }).catch((error: pg.DatabaseError) =>
        Promise.reject(new Error(error.code)),
      ),
    ).rejects.toThrow('42501');
  } finally {
    await gateway.close();
  }
});
