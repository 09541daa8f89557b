/**
 * `anamnesis rebuild`: fills an empty database from documents, payloads and the key file. Without options it works on the
 * embedded Postgres of a stopped gateway: the new database takes the place of the old one in one step when it is complete;
 * the old one is kept beside it. Blobs stay where they are.
 */
import { parseArgs } from 'node:util';
import { systemClock } from '../core/clock.ts';
import { silentLog } from '../core/log.ts';
import type { RebuildSummary } from '../services/rebuild.ts';
import { startEmbeddedPostgres, type SocketConnection } from '../storage/embedded-postgres/embedded-postgres.ts';
import { administerDatabases } from '../storage/pg/databases.ts';
import { openPool, type Pool } from '../storage/pg/pool.ts';
import { EXIT, UsageError, type CliContext, type Command } from './command.ts';
import { fillDatabase, type Filling } from './fill-database.ts';
import { keyProvider } from './keys.ts';
import { readSettings } from './settings.ts';

export const rebuild: Command = async (args, context) => {
  const { values } = parseArgs({ args: [...args], options: { from: { type: 'string' }, into: { type: 'string' } } });
  const config = readSettings(context);
  const { keySet } = await keyProvider(config).load({ create: false });
  return refill({ config, keySet }, values, context);
};

/** Fills one database from another: from and into as the options of the command say. */
export async function refill(
  filling: Filling,
  values: { readonly from?: string | undefined; readonly into?: string | undefined },
  context: CliContext,
): Promise<number> {
  const { databaseUrl, databaseAdminUrl } = filling.config;
  if (databaseUrl === undefined) {
    if (values.into !== undefined)
      throw new UsageError('--into goes with DATABASE_URL; the embedded database is replaced in place');
    return refillEmbedded(filling, values.from, context);
  }
  if ((values.from === undefined) === (values.into === undefined)) {
    throw new UsageError(
      'with DATABASE_URL say either --from URL (fill the configured database) or --into URL (fill another one)',
    );
  }
  const from = open(values.from ?? databaseUrl);
  const into = open(values.into ?? databaseAdminUrl ?? databaseUrl);
  try {
    report(await fillDatabase(filling, from, into), context);
  } finally {
    await Promise.all([from.end(), into.end()]);
  }
  if (values.into !== undefined)
    context.out('Set DATABASE_URL to the database that was filled, and start the gateway.');
  return EXIT.ok;
}

function open(connection: string | SocketConnection): Pool {
  const config = typeof connection === 'string' ? { connectionString: connection } : { ...connection };
  return openPool(config, { max: 4, statementTimeoutMs: 0 }, () => {});
}

/** Rebuilds beside the embedded database, then swaps the names: a crash at any point leaves one whole database in place. */
async function refillEmbedded(filling: Filling, from: string | undefined, context: CliContext): Promise<number> {
  const postgres = await startEmbeddedPostgres({ dataDir: filling.config.dataDir, log: silentLog });
  const stamp = new Date(systemClock.now()).toISOString().replaceAll(/\D/g, '').slice(0, 14);
  const { database } = postgres.connection;
  const made = `rebuilt_${stamp}`;
  const kept = `before_rebuild_${stamp}`;
  try {
    await administerDatabases(postgres.connection, [{ create: made }]);
    const source = open(from ?? postgres.connection);
    const target = open({ ...postgres.connection, database: made });
    try {
      report(await fillDatabase(filling, source, target), context);
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

function report(summary: RebuildSummary, { out }: CliContext): void {
  out(`rebuilt ${summary.records} record versions from ${summary.documents} documents in ${summary.blocks} blocks`);
}
