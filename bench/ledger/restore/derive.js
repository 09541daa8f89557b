// The second half of a restore: a gateway's own tables derived from a log that it has really written, beside a plain COPY of the
// same tables.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGateway } from '../../../dist/app.js';
import { sampleOru } from '../../../dist/cli/samples/hl7v2.js';
import { connectMllp } from '../../../dist/clients/mllp.js';
import { loadConfig } from '../../../dist/config/load.js';
import { silentLog } from '../../../dist/core/log.js';
import { systemRandom } from '../../../dist/core/random.js';
import { ed25519PublicKey, firstSignKey, mastersOf } from '../../../dist/keys/key-set.js';
import { rebuild } from '../../../dist/services/rebuild.js';
import { rebuiltKeys } from '../../../dist/services/rebuilt-keys.js';
import { startEmbeddedPostgres } from '../../../dist/storage/embedded-postgres/embedded-postgres.js';
import { fileKeyProvider } from '../../../dist/storage/key-file.js';
import { commitStore } from '../../../dist/storage/pg/commit-store.js';
import { copyBatch } from '../../../dist/storage/pg/copy-batch.js';
import { copyAll } from './copy-all.js';
import { derivationStore } from '../../../dist/storage/pg/derivation-store.js';
import { withLedgerSource } from '../../../dist/storage/pg/ledger-source.js';
import { openLog } from '../../../dist/storage/pg/open-log.js';
import { openPool } from '../../../dist/storage/pg/pool.js';
import { prepareDatabase } from '../../../dist/storage/pg/prepare-database.js';
import { keyStore } from '../../../dist/storage/pg/prepare-store.js';

const MESSAGES = 3000;
const CONNECTIONS = 16;
const TABLES = ['document', 'payload', 'tile', 'block', 'lockbox', 'patient', 'alias', 'record', 'token', 'message'];

/** @returns rows for the table */
export async function measureDerivation() {
  const dataDir = mkdtempSync(join(tmpdir(), 'anamnesis-bench-derive-'));
  const env = { DATA_DIR: dataDir, HTTP_PORT: '0', MLLP_PORT: '0', DICOM_PORT: '0' };
  const { config } = loadConfig(env, dataDir);
  const gateway = await startGateway(config, silentLog);
  const [host, port] = gateway.addresses.mllp.split(':');
  let next = 0;
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const client = await connectMllp({ host, port: Number(port), timeoutMs: 60_000 });
      while (next < MESSAGES) await client.send(Buffer.from(sampleOru(next++)));
      client.close();
    }),
  );
  await gateway.close();
  const postgres = await startEmbeddedPostgres({ dataDir, log: silentLog });
  const pools = [];
  const open = (database, settings = {}) => {
    const pool = openPool(
      { ...postgres.connection, database },
      { max: 4, statementTimeoutMs: 0, ...settings },
      () => {},
    );
    pools.push(pool);
    return pool;
  };
  try {
    const { keySet } = await fileKeyProvider({ path: config.keyFile, random: systemRandom }).load({ create: false });
    const source = open(postgres.connection.database);
    for (const name of ['derived', 'plain']) {
      await source.query(`create database ${name}`);
      await prepareDatabase({ admin: { ...postgres.connection, database: name }, gateway: 'embedded' });
    }
    // As `restore` does: commits on the way do not wait for the disk.
    const target = open('derived', { relaxed: true });
    await openLog(target, config.origin, keySet.fingerprint);
    let start = performance.now();
    const { documents, records } = await withLedgerSource(source, (ledger) =>
      rebuild({
        source: ledger,
        target: commitStore(target),
        keys: rebuiltKeys(keyStore(target), mastersOf(keySet)),
        derivation: derivationStore(target),
        origin: config.origin,
        master: keySet.master,
        signPublicKey: ed25519PublicKey(firstSignKey(keySet)),
        progress: () => {},
      }),
    );
    const seconds = (performance.now() - start) / 1000;
    const plain = open('plain', { relaxed: true });
    const tables = [];
    for (const table of TABLES) tables.push([table, await copyAll(source, table)]);
    const client = await plain.connect();
    start = performance.now();
    for (const [table, bytes] of tables) {
      await copyBatch(client, [{ target: table, rows: { rows: 1, finish: () => bytes } }], []);
    }
    const plainSeconds = (performance.now() - start) / 1000;
    client.release();
    const detail = `${documents} leaves, ${records} record versions of ${MESSAGES} messages: ${Math.round(records / seconds)} records/s`;
    return [
      { name: 'restore: own tables derived', value: documents / seconds, unit: 'leaves/s', detail },
      { name: 'the same tables, plain COPY', value: documents / plainSeconds, unit: 'leaves/s' },
    ];
  } finally {
    await Promise.all(pools.map((pool) => pool.end()));
    await postgres.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}
