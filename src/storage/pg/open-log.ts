/**
 * Opens the log of this gateway in a database: makes its head row at first start, and refuses a database that belongs to
 * another origin or another key file.
 */
import { GatewayError } from '../../core/errors.ts';
import { EMPTY_ROOT } from '../../ledger/merkle.ts';
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';
import { statement } from './statement.ts';

const CREATE = statement('create-head');
const READ = statement('log-identity');
const GENESIS = statement('genesis-wrap');

export interface OpenedLog {
  readonly size: number;
  /** Packed sealed index secret of the gateway, under master; undefined while the log is empty. */
  readonly secret: Buffer | undefined;
}

/** Fingerprint of the key set that the log belongs to; undefined while there is no log. */
export async function logFingerprint(pool: Pool): Promise<string | undefined> {
  return (await pool.query<{ fingerprint: string }>(READ).catch(storeError)).rows[0]?.fingerprint;
}

/** Idempotent. Throws `integrity` when origin or key file are not those the log was begun with. */
export async function openLog(pool: Pool, origin: string, fingerprint: string): Promise<OpenedLog> {
  await pool.query(CREATE, [origin, fingerprint, EMPTY_ROOT]).catch(storeError);
  const { rows } = await pool.query<{ origin: string; fingerprint: string; size: number }>(READ).catch(storeError);
  const head = rows[0];
  if (head.origin !== origin) {
    throw new GatewayError(
      'integrity',
      `the database holds the log of ${head.origin}; set GATEWAY_ORIGIN to that, or use another database`,
    );
  }
  if (head.fingerprint !== fingerprint) {
    throw new GatewayError(
      'integrity',
      'the key file is not the one this database was written with; set KEY_FILE to the right one',
    );
  }
  const genesis = await pool.query<{ wrap: Buffer }>(GENESIS).catch(storeError);
  if (head.size > 0 && genesis.rows.length === 0) {
    throw new GatewayError('integrity', 'the log has documents but its key rows are gone; run `anamnesis rebuild`');
  }
  return { size: head.size, secret: genesis.rows[0]?.wrap };
}
