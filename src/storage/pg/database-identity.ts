/**
 * Which database the gateway is connected to: cluster, timeline, database. It changes with every fail-over, every restore
 * from a backup, and when another database is put in the place of this one.
 */
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';
import { statement } from './statement.ts';

const IDENTITY = statement('database-identity');
const SYSTEM = statement('system-identifier');
const INSUFFICIENT_PRIVILEGE = '42501';

/** Opaque; equal while the same history goes on. Throws `unavailable`. */
export async function databaseIdentity(pool: Pool): Promise<string> {
  const { rows } = await pool.query<{ identity: string }>(IDENTITY).catch(storeError);
  return `${await systemIdentifier(pool)}/${rows[0].identity}`;
}

/** Some hosted databases keep it to themselves: then timeline and oid have to do. */
async function systemIdentifier(pool: Pool): Promise<string> {
  try {
    return (await pool.query<{ system: string }>(SYSTEM)).rows[0].system;
  } catch (thrown) {
    const code = typeof thrown === 'object' && thrown !== null && 'code' in thrown ? thrown.code : undefined;
    return code === INSUFFICIENT_PRIVILEGE ? '' : storeError(thrown);
  }
}
