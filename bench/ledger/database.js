// An embedded Postgres of the product, with fsync, in a temporary folder: what the parts of the ledger bench run on.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../dist/core/log.js';
import { startEmbeddedPostgres } from '../../dist/storage/embedded-postgres/embedded-postgres.js';
import { openPool } from '../../dist/storage/pg/pool.js';
import { prepareDatabase } from '../../dist/storage/pg/prepare-database.js';

/** Starts one with the product's schema and protections; `pool` is the gateway's, `admin` the superuser's connection. */
export async function startDatabase() {
  const folder = mkdtempSync(join(tmpdir(), 'anamnesis-bench-'));
  const postgres = await startEmbeddedPostgres({ dataDir: folder, log: silentLog });
  const { connection } = await prepareDatabase({ admin: { ...postgres.connection }, gateway: 'embedded' });
  const pool = openPool(connection, { max: 8, statementTimeoutMs: 0 }, () => {});
  const admin = openPool({ ...postgres.connection }, { max: 2, statementTimeoutMs: 0 }, () => {});
  return {
    pool,
    admin,
    async stop() {
      await Promise.all([pool.end(), admin.end()]);
      await postgres.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
