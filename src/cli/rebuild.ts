/**
 * `anamnesis rebuild`: fills an empty database from documents, payloads and the key file. Without options it works on the
 * embedded Postgres of a stopped gateway: the new database takes the place of the old one in one step when it is complete;
 * the old one is kept beside it. Blobs stay where they are.
 */
import { parseArgs } from 'node:util';
import type { Config } from '../config/config.ts';
import { systemClock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { silentLog } from '../core/log.ts';
import { ed25519PublicKey, firstSignKey, mastersOf, signKeysOf, type KeySet } from '../keys/key-set.ts';
import { rebuild as rebuildLedger, type RebuildSummary } from '../services/rebuild.ts';
import { rebuiltKeys } from '../services/rebuilt-keys.ts';
import { startEmbeddedPostgres, type SocketConnection } from '../storage/embedded-postgres/embedded-postgres.ts';
import { commitStore } from '../storage/pg/commit-store.ts';
import { withLedgerSource } from '../storage/pg/ledger-source.ts';
import { copyNetworkState } from '../storage/pg/copy-network.ts';
import { administerDatabases } from '../storage/pg/databases.ts';
import { migrate } from '../storage/pg/migrate.ts';
import { openLog } from '../storage/pg/open-log.ts';
import { openPool, type Pool } from '../storage/pg/pool.ts';
import { keyStore } from '../storage/pg/prepare-store.ts';
import { derivationStore } from '../storage/pg/derivation-store.ts';
import { EXIT, UsageError, type CliContext, type Command } from './command.ts';
import { keyProvider } from './keys.ts';
import { progressBar } from './progress.ts';
import { readSettings } from './settings.ts';

export const rebuild: Command = async (args, context) => {
  const { values } = parseArgs({ args: [...args], options: { from: { type: 'string' }, into: { type: 'string' } } });
  const config = readSettings(context);
  const { keySet } = await keyProvider(config).load({ create: false });
  const { databaseUrl } = config;
  if (databaseUrl === undefined) {
    if (values.into !== undefined)
      throw new UsageError('--into goes with DATABASE_URL; the embedded database is replaced in place');
    return rebuildEmbedded(config, keySet, values.from, context);
  }
  if ((values.from === undefined) === (values.into === undefined)) {
    throw new UsageError(
      'with DATABASE_URL say either --from URL (fill the configured database) or --into URL (fill another one)',
    );
  }
  const from = open(values.from ?? databaseUrl);
  const into = open(values.into ?? config.databaseAdminUrl ?? databaseUrl);
  try {
    report(await fill(config, keySet, from, into), context);
  } finally {
    await Promise.all([from.end(), into.end()]);
  }
  if (values.into !== undefined)
    context.out('Set DATABASE_URL to the database that was filled, and start the gateway.');
  return EXIT.ok;
};

function open(connection: string | SocketConnection): Pool {
  const config = typeof connection === 'string' ? { connectionString: connection } : { ...connection };
  return openPool(config, { max: 4, statementTimeoutMs: 0 }, () => {});
}

/** Rebuilds beside the embedded database, then swaps the names: a crash at any point leaves one whole database in place. */
async function rebuildEmbedded(
  config: Config,
  keys: KeySet,
  from: string | undefined,
  context: CliContext,
): Promise<number> {
  const postgres = await startEmbeddedPostgres({ dataDir: config.dataDir, log: silentLog });
  const stamp = new Date(systemClock.now()).toISOString().replaceAll(/\D/g, '').slice(0, 14);
  const { database } = postgres.connection;
  const made = `rebuilt_${stamp}`;
  const kept = `before_rebuild_${stamp}`;
  try {
    await administerDatabases(postgres.connection, [{ create: made }]);
    const source = open(from ?? postgres.connection);
    const target = open({ ...postgres.connection, database: made });
    try {
      report(await fill(config, keys, source, target), context);
    } catch (error) {
      await Promise.all([source.end(), target.end()]);
      await administerDatabases(postgres.connection, [{ drop: made }]);
      throw error;
    }
    await Promise.all([source.end(), target.end()]);
    await administerDatabases(postgres.connection, [
      { rename: database, to: kept },
      { rename: made, to: database },
    ]);
  } finally {
    await postgres.stop();
  }
  context.out(
    `The rebuilt database is in place; the one before is kept in the same cluster as ${kept}. Start the gateway.`,
  );
  return EXIT.ok;
}

async function fill(config: Config, keys: KeySet, from: Pool, into: Pool): Promise<RebuildSummary> {
  await migrate(into);
  const { size } = await openLog(into, config.origin, keys.fingerprint);
  // One that was interrupted goes on where it was.
  if (size > 0 && (await derivationStore(into).load()) === undefined)
    throw new GatewayError('conflict', 'the database to fill holds a ledger already; give an empty one');
  const now = (): number => systemClock.now();
  let bar: ReturnType<typeof progressBar> | undefined;
  try {
    const summary = await withLedgerSource(from, (source) =>
      rebuildLedger({
        source,
        target: commitStore(into),
        keys: rebuiltKeys(keyStore(into), mastersOf(keys)),
        derivation: derivationStore(into),
        origin: config.origin,
        master: keys.master,
        retired: keys.history.master,
        renewed: keys.renewed,
        signPublicKey: ed25519PublicKey(firstSignKey(keys)),
        signKeys: signKeysOf(keys),
        progress: (done) => (bar ??= progressBar(process.stderr, done.size, now)).update(done.leaf, 'leaves replayed'),
      }),
    );
    await copyNetworkState(from, into);
    await derivationStore(into).end();
    return summary;
  } finally {
    bar?.end();
  }
}

function report(summary: RebuildSummary, { out }: CliContext): void {
  out(`rebuilt ${summary.records} record versions from ${summary.documents} documents in ${summary.blocks} blocks`);
}
