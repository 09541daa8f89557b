/**
 * `anamnesis prepare-database`: what a start does to the database first, alone. So that the administering account's URL is
 * with whoever runs this, and not with the gateway. Exit code 1 when a protection is missing.
 */
import { inspectProtections } from '../storage/pg/protect.ts';
import { openPool } from '../storage/pg/pool.ts';
import { prepareDatabase } from '../storage/pg/prepare-database.ts';
import { EXIT, UsageError, type Command } from './command.ts';
import { readSettings } from './settings.ts';

export const prepareDatabaseCommand: Command = async (args, context) => {
  if (args.length > 0) throw new UsageError('prepare-database takes no arguments; settings come from the environment');
  const { databaseUrl, databaseAdminUrl } = readSettings(context);
  if (databaseUrl === undefined) throw new UsageError('the embedded Postgres is prepared by `anamnesis start`');
  const admin = { connectionString: databaseAdminUrl ?? databaseUrl };
  const { migrated, login } = await prepareDatabase({ admin, gateway: { connectionString: databaseUrl } });
  context.out(migrated.length === 0 ? 'the schema is current' : `migrations applied: ${migrated.join(', ')}`);
  const pool = openPool({ connectionString: databaseUrl }, { max: 1, statementTimeoutMs: 0 }, () => {});
  try {
    const protections = await inspectProtections(pool, login);
    for (const { name, present, without } of protections) {
      context.out(present ? `protected (${name})` : `NOT protected (${name}): ${without}`);
    }
    return protections.every(({ present }) => present) ? EXIT.ok : EXIT.failed;
  } finally {
    await pool.end();
  }
};
