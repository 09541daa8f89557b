/** The database of a gateway, the writing side over it, and the room on its disk. */
import { statfs } from 'node:fs/promises';
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { systemClock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { describeError, type Log } from '../core/log.ts';
import { systemRandom } from '../core/random.ts';
import { type GatewayMetrics } from '../edge/http/metrics.ts';
import type { KeyProvider } from '../keys/key-provider.ts';
import type { KeySet } from '../keys/key-set.ts';
import { startEmbeddedPostgres } from '../storage/embedded-postgres/embedded-postgres.ts';
import { fileKeyProvider } from '../storage/key-file.ts';
import { commitStore } from '../storage/pg/commit-store.ts';
import { TOKEN_LIFE_MS } from '../identity/sign-token.ts';
import { keySetFor } from '../keys/rotate.ts';
import { logFingerprint, openLog } from '../storage/pg/open-log.ts';
import { openPool, type Pool, type PoolSettings } from '../storage/pg/pool.ts';
import { prepareDatabase, type DatabaseAccess } from '../storage/pg/prepare-database.ts';
import { keyStore, prepareStore } from '../storage/pg/prepare-store.ts';
import type { Committed } from '../write/group-commit.ts';
import { openWriter, type OpenedWriter } from '../write/open-writer.ts';
import { guardCommits } from '../replication/guard-commits.ts';
import type { Network } from './network.ts';
import type { Teardown } from './teardown.ts';
/** How often the free space is looked at, milliseconds. */
const DISK_CHECK_MS = 5_000;
/** Milliseconds after which Postgres ends a statement of ours: none of them is long. */
const STATEMENT_TIMEOUT_MS = 60_000;

/** Where the keys are kept: in the file that `config` names. */
export function keyProviderOf(config: Config): KeyProvider {
  const passphrase = config.keyPassphraseFile === undefined ? {} : { passphraseFile: config.keyPassphraseFile };
  return fileKeyProvider({ path: config.keyFile, ...passphrase, random: systemRandom });
}

/** The key set that this database was written with, where a rotation was interrupted between key file and ledger. */
export async function keysOf(loaded: KeySet, pool: Pool): Promise<KeySet> {
  return keySetFor(loaded, await logFingerprint(pool), TOKEN_LIFE_MS);
}

export interface Database {
  readonly pool: Pool;
  /** How further pools are opened: survives structured cloning, for threads with a pool of their own. */
  readonly access: { readonly login: pg.PoolConfig; readonly pool: PoolSettings };
  readonly description: string;
  /** Whether the server runs, as far as this process runs it. */
  readonly isUp: () => boolean;
  /** The database account whose rights count for `inspectProtections`. */
  readonly login: string;
}

export async function openDatabase(config: Config, log: Log, teardown: Teardown): Promise<Database> {
  const settings = { max: config.databaseConnections, statementTimeoutMs: STATEMENT_TIMEOUT_MS };
  let closing = false;
  const onError = (error: Error): void => {
    // Connections on their way out may hear of the database's own stop: nothing is lost by it.
    if (!closing) log.warn({ event: 'database-connection-lost', ...describeError(error) });
  };
  const opened = async (access: DatabaseAccess): Promise<Pick<Database, 'pool' | 'login' | 'access'>> => {
    const { connection, role, login, migrated } = await prepareDatabase(access);
    if (migrated.length > 0) log.info({ event: 'migrated', count: migrated.length });
    const poolSettings = { ...settings, ...(role === undefined ? {} : { role }) };
    const pool = openPool(connection, poolSettings, onError);
    teardown.add('pool', () => {
      closing = true;
      return pool.end();
    });
    return { pool, login, access: { login: connection, pool: poolSettings } };
  };
  if (config.databaseUrl !== undefined) {
    const gateway = { connectionString: config.databaseUrl };
    const admin = { connectionString: config.databaseAdminUrl ?? config.databaseUrl };
    return { ...(await opened({ admin, gateway })), description: 'DATABASE_URL', isUp: () => true };
  }
  const postgres = await startEmbeddedPostgres({ dataDir: config.dataDir, log });
  teardown.add('postgres', () => postgres.stop());
  return {
    ...(await opened({ admin: { ...postgres.connection }, gateway: 'embedded' })),
    description: `embedded Postgres in ${postgres.clusterDir}`,
    isUp: () => postgres.isUp(),
  };
}

export async function openWriting(
  config: Config,
  keys: KeySet,
  pool: Pool,
  metrics: GatewayMetrics,
  log: Log,
  network: Pick<Network, 'gate' | 'onCommitted'>,
  onFenced: () => void,
): Promise<OpenedWriter> {
  const { secret } = await openLog(pool, config.origin, keys.fingerprint);
  const deps = {
    origin: config.origin,
    keys,
    clock: systemClock,
    random: systemRandom,
    log,
    prepareStore: prepareStore(pool),
    keyStore: keyStore(pool),
    commitStore: guardCommits(commitStore(pool, { fingerprint: keys.fingerprint, onFenced }), network.gate),
    sealedSecret: secret,
    onCommitted({ size, items, leaves, seconds }: Committed): void {
      metrics.commit(items, leaves, seconds);
      network.onCommitted(size);
    },
  };
  try {
    return await openWriter(deps);
  } catch (error) {
    // Of processes that start together on a new log, one begins it; the others find it begun.
    if (!(error instanceof GatewayError) || error.code !== 'conflict') throw error;
    return openWriter({ ...deps, sealedSecret: (await openLog(pool, config.origin, keys.fingerprint)).secret });
  }
}

/** Knows from memory whether the data directory has more free space than the floor. */
export async function watchDisk(
  config: Config,
  log: Log,
  teardown: Teardown,
): Promise<{ readonly hasRoom: () => boolean; readonly freeBytes: () => number }> {
  let free = Infinity;
  const hasRoom = (): boolean => free >= config.limits.freeDiskBytes;
  const look = async (): Promise<void> => {
    const { bavail, bsize } = await statfs(config.dataDir);
    const had = hasRoom();
    free = bavail * bsize;
    if (had && !hasRoom()) log.error({ event: 'disk-low', bytes: free });
    if (!had && hasRoom()) log.info({ event: 'disk-has-room', bytes: free });
  };
  await look();
  const timer = setInterval(() => void look().catch(() => {}), DISK_CHECK_MS).unref();
  teardown.add('disk', async () => clearInterval(timer));
  return { hasRoom, freeBytes: () => free };
}
