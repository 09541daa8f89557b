/**
 * The stored ledger of the configured gateway for commands that read it, whether that gateway runs or not: its database
 * (DATABASE_URL, the embedded Postgres that a running gateway has started, or one started for the command), public keys
 * and blobs.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { GatewayError } from '../core/errors.ts';
import { silentLog } from '../core/log.ts';
import { TOKEN_LIFE_MS } from '../identity/sign-token.ts';
import { firstOrigin, firstSignKey, type KeySet } from '../keys/key-set.ts';
import { keySetFor } from '../keys/rotate.ts';
import type { LedgerKeys } from '../ledger/verify.ts';
import type { BlobStore } from '../record/blob-store.ts';
import type { HashSource } from '../services/verify-hashes.ts';
import type { LedgerSource } from '../services/verify-ledger.ts';
import { openFileBlobStore } from '../storage/blobs/fs.ts';
import { serverAccount } from '../storage/embedded-postgres/account.ts';
import { ensureSocketDir, placeCluster } from '../storage/embedded-postgres/cluster.ts';
import { startEmbeddedPostgres } from '../storage/embedded-postgres/embedded-postgres.ts';
import { hasLedger } from '../storage/pg/has-ledger.ts';
import { withLedgerSource } from '../storage/pg/ledger-source.ts';
import { logFingerprint } from '../storage/pg/open-log.ts';
import { sessionUser, WRITER } from '../storage/pg/protect.ts';
import { openPool, type Pool } from '../storage/pg/pool.ts';
import { keyProvider } from './keys.ts';

export interface StoredLedger {
  readonly keys: LedgerKeys;
  readonly keySet: KeySet;
  readonly pool: Pool;
  /** The database account of the gateway, for `inspectProtections`. */
  readonly login: string;
  readonly blobs: BlobStore;
  /** Runs `work` on one snapshot of the database. */
  read<T>(work: (source: LedgerSource & HashSource) => Promise<T>): Promise<T>;
  /** Idempotent. Stops the Postgres that was started for the command. */
  close(): Promise<void>;
}

/**
 * Opens without changing anything of the ledger. Throws `not-found` where no gateway was ever started with this
 * configuration, the errors of the key file, `unavailable` when the database cannot be reached.
 */
export async function openStoredLedger(
  config: Config,
  { admin = false }: { /** By the administering account. */ readonly admin?: boolean } = {},
): Promise<StoredLedger> {
  const { keySet: loaded } = await keyProvider(config).load({ create: false });
  const url = admin ? (config.databaseAdminUrl ?? config.databaseUrl) : config.databaseUrl;
  const database = await openDatabase(config, url);
  try {
    if (!(await hasLedger(database.pool))) {
      throw new GatewayError('not-found', 'the database holds no ledger: start the gateway once');
    }
    const keySet = keySetFor(loaded, await logFingerprint(database.pool), TOKEN_LIFE_MS);
    return {
      keys: {
        origin: config.origin,
        firstOrigin: firstOrigin(keySet, config.origin),
        log: keySet.log.rawPublicKey,
        sign: firstSignKey(keySet),
        signNow: keySet.sign.rawPublicKey,
      },
      keySet,
      pool: database.pool,
      login: config.databaseUrl === undefined ? WRITER : await sessionUser(database.pool),
      blobs: await openFileBlobStore(join(config.dataDir, 'blobs')),
      read: (work) => withLedgerSource(database.pool, work),
      close: () => database.close(),
    };
  } catch (thrown) {
    await database.close();
    throw thrown;
  }
}

interface Database {
  readonly pool: Pool;
  close(): Promise<void>;
}

async function openDatabase(config: Config, url: string | undefined): Promise<Database> {
  const settings = { max: 2, statementTimeoutMs: 0 };
  const from = (connection: Parameters<typeof openPool>[0], stop?: () => Promise<void>): Database => {
    const pool = openPool(connection, settings, () => {});
    let closing: Promise<void> | undefined;
    const close = async (): Promise<void> => {
      await pool.end();
      await stop?.();
    };
    return { pool, close: () => (closing ??= close()) };
  };
  if (url !== undefined) return from({ connectionString: url });
  if (!existsSync(config.dataDir)) throw new GatewayError('not-found', `there is no data directory ${config.dataDir}`);
  try {
    const postgres = await startEmbeddedPostgres({ dataDir: config.dataDir, log: silentLog });
    return from({ ...postgres.connection }, () => postgres.stop());
  } catch (thrown) {
    if (!(thrown instanceof GatewayError) || thrown.code !== 'conflict') throw thrown;
    // A gateway runs on this data directory: its Postgres serves us too, on the socket that it listens on.
    const { clusterDir } = placeCluster(config.dataDir, serverAccount(join(config.dataDir, 'postgres')));
    const host = ensureSocketDir(clusterDir, serverAccount(clusterDir));
    const running = from({ host, port: 5432, user: 'postgres', database: 'postgres' });
    try {
      await hasLedger(running.pool);
      return running;
    } catch {
      await running.close();
      throw thrown;
    }
  }
}
