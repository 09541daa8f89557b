/**
 * Brings a database to this program's schema: numbered SQL files, forward only, each in one transaction, under an
 * advisory lock so that processes that start together do not collide. A schema newer than the program is refused.
 */
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { GatewayError } from '../../core/errors.ts';
import type { Pool } from './pool.ts';

const FOLDER = fileURLToPath(new URL('../../../migrations/', import.meta.url));
const FILE = /^(\d{6})_[a-z0-9_]+\.sql$/;
/** Any constant of our own: the advisory lock of migrations. */
const LOCK = 4_720_318_902;

/**
 * Applies what is missing; returns the numbers applied. Durable on return; safe to call at every start.
 * Throws `unavailable` when the database is newer than this program.
 */
export async function migrate(pool: Pool): Promise<readonly number[]> {
  const files = (await readdir(FOLDER)).filter((name) => FILE.test(name)).toSorted();
  const client = await pool.connect();
  try {
    await client.query('select pg_advisory_lock($1)', [LOCK]);
    await client.query(
      'create table if not exists schema_migration (number integer primary key, name text not null, applied timestamptz not null default now())',
    );
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
        await client.query(sql);
        await client.query('insert into schema_migration (number, name) values ($1, $2)', [number, name]);
        await client.query('commit');
      } catch (error) {
        await client.query('rollback');
        throw error;
      }
      applied.push(number);
    }
    return applied;
  } finally {
    await client.query('select pg_advisory_unlock($1)', [LOCK]).catch(() => {});
    client.release();
  }
}
