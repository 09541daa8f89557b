/**
 * One embedded Postgres cluster for the whole test run, in a temporary folder, and the template database that
 * `createTestDatabase()` copies. Ended with the run, however that ends.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { silentLog } from '../../src/core/log.ts';
import { startEmbeddedPostgres } from '../../src/storage/embedded-postgres/embedded-postgres.ts';
import { prepareDatabase } from '../../src/storage/pg/prepare-database.ts';
import { TEMPLATE_DATABASE } from './template-name.ts';

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'anamnesis-test-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  // No test crashes this cluster, so that it may skip fsync; the crash tests run gateways and clusters of their own.
  const postgres = await startEmbeddedPostgres({
    dataDir: folder,
    log: silentLog,
    settings: { fsync: 'off', max_connections: '200' },
  });
  try {
    await makeTemplate(postgres.connection);
  } catch (thrown) {
    await postgres.stop();
    throw thrown;
  }
  project.provide('postgres', postgres.connection);
  return async () => {
    await postgres.stop();
    remove();
  };
}

async function makeTemplate(connection: pg.ClientConfig): Promise<void> {
  const admin = new pg.Client(connection);
  await admin.connect();
  await admin.query(`create database ${TEMPLATE_DATABASE} template template0`);
  await admin.end();
  await prepareDatabase({ admin: { ...connection, database: TEMPLATE_DATABASE }, gateway: 'embedded' });
}
