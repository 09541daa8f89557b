/**
 * The Postgres connection pool. int8 comes back as a number: every bigint column of ours is a count, a place in the log
 * or a time in milliseconds, below 2^53; search tokens and masks are selected as text.
 */
import pg from 'pg';
import { GatewayError } from '../../core/errors.ts';

export type Pool = pg.Pool;
export type Client = pg.PoolClient;

function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new GatewayError('internal', 'a bigint of the database is out of range');
  return value;
}

const types: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) =>
    oid === pg.types.builtins.INT8 && format !== 'binary' ? parseInt8 : pg.types.getTypeParser(oid, format),
};

export interface PoolSettings {
  /** Connections kept at most. */
  readonly max: number;
  /** Milliseconds that a statement may take before Postgres ends it; 0: no limit. */
  readonly statementTimeoutMs: number;
  /** Role that every session takes (`set role`); absent: that of the login. A name of ours, lower-case letters and `_`. */
  readonly role?: string;
  /**
   * True: commits do not wait for the disk. Only for work that is begun again from a cursor in the same database after a crash
   * and ends with a commit that does wait; never for anything that is acknowledged.
   */
  readonly relaxed?: boolean;
}

/**
 * Every statement of ours is a look-up by index of few rows among very many. Plans made while tables were small, or from
 * guesses about parameters, would scan them whole (measured: 15 ms instead of 1 at 76,000 aliases, and growing).
 */
const SESSION = 'set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off; set jit = off';

/**
 * A commit that does not wait for the disk is not one that may be acknowledged: where server, database or role say `off`, our sessions
 * say `on`. What waits for more (`remote_apply`) or chooses the own disk alone (`local`) stays.
 */
const DURABLE = `select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'`;

/** Opens a pool; connects on first use. `onError` hears of idle connections that broke (the pool replaces them). */
export function openPool(config: pg.PoolConfig, settings: PoolSettings, onError: (error: Error) => void): Pool {
  if (settings.role !== undefined && !/^[a-z_]{1,60}$/.test(settings.role)) throw new TypeError('not a role of ours');
  const session = [
    SESSION,
    settings.relaxed === true ? 'set synchronous_commit = off' : DURABLE,
    ...(settings.role === undefined ? [] : [`set role ${settings.role}`]),
  ].join('; ');
  const pool = new pg.Pool({
    ...config,
    max: settings.max,
    types,
    statement_timeout: settings.statementTimeoutMs === 0 ? false : settings.statementTimeoutMs,
    application_name: 'anamnesis',
    onConnect: async (client) => {
      // A connection that breaks while it is checked out reports to its queries, and emits an error that would end the process.
      client.on('error', () => {});
      await client.query(session);
    },
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
  });
  pool.on('error', onError);
  return pool;
}
