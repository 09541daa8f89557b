/**
 * Brings a database to this program's schema: numbered SQL files, forward only, each in one transaction, under an
 * advisory lock so that processes that start together do not collide. A schema newer than the program is refused.
 */
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { GatewayError } from '../../core/errors.ts';
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';
import { refreeze, thaw } from './protect.ts';

const FOLDER = fileURLToPath(new URL('../../../migrations/', import.meta.url));
const FILE = /^(\d{6})_[a-z0-9_]+\.sql$/;
/** Any constant of our own: the advisory lock of migrations. */
const LOCK = 4_720_318_902;

const CREATE =
  'create table if not exists schema_migration (number integer primary key, name text not null, applied timestamptz not null default now())';

/** Rethrows; says what to do where the account has no right to change the schema. */
function refuse(error: unknown, number: number): never {
  const denied = typeof error === 'object' && error !== null && 'code' in error && error.code === '42501';
  if (!denied) throw error;
  throw new GatewayError(
    'unavailable',
    `the database lacks migration ${number}, which this account may not apply: run \`anamnesis prepare-database\` with DATABASE_ADMIN_URL`,
    { cause: error },
  );
}

/**
 * Applies what is missing; returns the numbers applied. Durable on return; safe to call at every start.
 * Throws `unavailable` when the database is newer than this program.
 */
export async function migrate(pool: Pool): Promise<readonly number[]> {
  const files = (await readdir(FOLDER)).filter((name) => FILE.test(name)).toSorted();
  const client = await pool.connect().catch(storeError);
  try {
    await client.query('select pg_advisory_lock($1)', [LOCK]);
    // Asked for first: an account without the right to make tables may still start on a database that is ready.
    const { rows: found } = await client.query<{ there: boolean }>(
      `select to_regclass('schema_migration') is not null as there`,
    );
    if (!found[0].there) await client.query(CREATE).catch((error: unknown) => refuse(error, 1));
    const { rows } = await client.query<{ number: number }>('select number from schema_migration');
    const done = new Set(rows.map((row) => row.number));
    const known = new Set(files.map((name) => Number(name.slice(0, 6))));
    const newer = [...done].filter((number) => !known.has(number));
    if (newer.length > 0) {
      throw new GatewayError(
        'unavailable',
        `the database has migration ${newer[0]}, which this program does not know: start a newer version`,
      );
    }
    const applied: number[] = [];
    for (const name of files) {
      const number = Number(name.slice(0, 6));
      if (done.has(number)) continue;
      const sql = await readFile(`${FOLDER}${name}`, 'utf8');
      await client.query('begin');
      try {
        const thawed = await thaw(client);
        await client.query(sql);
        if (thawed) await refreeze(client);
        await client.query('insert into schema_migration (number, name) values ($1, $2)', [number, name]);
        await client.query('commit');
      } catch (error) {
        await client.query('rollback');
        refuse(error, number);
      }
      applied.push(number);
    }
    return applied;
  } finally {
    await client.query('select pg_advisory_unlock($1)', [LOCK]).catch(() => {});
    client.release();
  }
}
