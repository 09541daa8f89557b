/**
 * Makes a database ready for a gateway, at every start: schema, then what keeps the ledger append-only. Uses an
 * administering connection for it, which is closed again; the gateway itself works with as few rights as there are.
 */
import type pg from 'pg';
import { storeError } from './errors.ts';
import { migrate } from './migrate.ts';
import { openPool } from './pool.ts';
import { protect, WRITER } from './protect.ts';

export interface DatabaseAccess {
  /** Of an account that makes tables, best a superuser. */
  readonly admin: pg.PoolConfig;
  /** Of the gateway; the embedded Postgres has an account of ours. */
  readonly gateway: pg.PoolConfig | 'embedded';
}

export interface PreparedDatabase {
  /** How the gateway connects. */
  readonly connection: pg.PoolConfig;
  /** Role that its sessions take, where the login itself has more rights than it should use. */
  readonly role?: string;
  /** The account whose rights count, for `inspectProtections`. */
  readonly login: string;
  /** Numbers of the migrations that were applied. */
  readonly migrated: readonly number[];
}

/** Idempotent; safe in several processes at once. Throws `unavailable` when the database cannot be reached or is newer. */
export async function prepareDatabase({ admin, gateway }: DatabaseAccess): Promise<PreparedDatabase> {
  const pool = openPool(admin, { max: 2, statementTimeoutMs: 0 }, () => {});
  try {
    const migrated = await migrate(pool);
    if (gateway === 'embedded') {
      await protect(pool, { login: WRITER, embedded: true });
      return { connection: { ...admin, user: WRITER }, login: WRITER, migrated };
    }
    const { login, superuser } = await accountOf(gateway);
    // A superuser as the gateway's account is reported as such; its sessions still take the lesser role.
    await protect(pool, { login: superuser ? WRITER : login, embedded: false });
    return { connection: gateway, login, migrated, ...(superuser ? { role: WRITER } : {}) };
  } finally {
    await pool.end();
  }
}

async function accountOf(connection: pg.PoolConfig): Promise<{ login: string; superuser: boolean }> {
  const pool = openPool(connection, { max: 1, statementTimeoutMs: 0 }, () => {});
  try {
    const { rows } = await pool
      .query<{
        login: string;
        superuser: boolean;
      }>('select rolname as login, rolsuper as superuser from pg_roles where rolname = session_user')
      .catch(storeError);
    return rows[0];
  } finally {
    await pool.end();
  }
}
