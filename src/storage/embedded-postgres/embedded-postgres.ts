/**
 * The zero-configuration database: a real Postgres 18 with fsync on, run by the gateway itself on a Unix socket in a
 * private folder, without TCP and without a password. Supervised: a server that dies is started again.
 *
 * Trust: whoever can become the server's account (or root) can read and change the tables. They hold no plaintext, and
 * changes show in `anamnesis verify`; see SECURITY/THREATS.md.
 */
import type { ChildProcess } from 'node:child_process';
import { existsSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import { describeError, type Log } from '../../core/log.ts';
import { ensureDataDir } from '../data-dir.ts';
import { serverAccount } from './account.ts';
import { locateBinaries } from './binaries.ts';
import { clearStale, clearStaleSocket, ensureCluster, ensureSocketDir, placeCluster } from './cluster.ts';
import { acquireLock } from './process-lock.ts';
import { hasEnded, spawnServer, stopServer, waitReady, type ServerOptions } from './server.ts';

export interface EmbeddedPostgresOptions {
  /** The gateway's data directory; made when missing. The cluster is `postgres` in it. */
  readonly dataDir: string;
  readonly log: Log;
  /** Further Postgres settings by name. They cannot turn on what would log values. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Called with false when the server has died and with true when its successor accepts connections. */
  readonly onState?: (up: boolean) => void;
}

/** How `pg` connects: a Unix socket, no password. */
export interface SocketConnection {
  /** Folder of the socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
}

export interface EmbeddedPostgres {
  readonly connection: SocketConnection;
  /** Where the cluster lies. */
  readonly clusterDir: string;
  /** True when it could not lie in the data directory, because the server's account cannot reach that. */
  readonly moved: boolean;
  /** The server's process number; undefined while it is down. */
  pid(): number | undefined;
  /** False from the death of a server until its successor accepts connections. */
  isUp(): boolean;
  /** Stops the server and its supervision, and gives the data directory back. Idempotent. */
  stop(): Promise<void>;
}

/** Crash recovery reads all WAL since the last checkpoint, at most some gigabytes. */
const READY_DEADLINE_MS = 10 * 60_000;
const RESTART_DELAY_MS = { first: 100, most: 5_000 };

/**
 * Starts the embedded Postgres of a data directory. Throws `conflict` when another gateway uses the directory,
 * `not-supported` where there are no binaries, `unavailable` with the server's last words when it does not start.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { dataDir, log } = options;
  ensureDataDir(dataDir);
  const release = acquireLock(join(dataDir, 'postgres.lock'), `the data directory ${dataDir}`);
  try {
    const { server, moved } = await prepare(dataDir, options.settings ?? {});
    let child = await start(server, log);
    let stopping = false;
    let up = true;
    let restarting: Promise<void> = Promise.resolve();

    const supervise = (): void => {
      child.once('exit', (code, signal) => {
        if (stopping) return;
        up = false;
        log.error({ event: 'postgres-died', reason: signal ?? `exit ${code}` });
        options.onState?.(false);
        restarting = restart();
      });
    };
    const restart = async (): Promise<void> => {
      for (let wait = RESTART_DELAY_MS.first; !stopping; wait = Math.min(wait * 2, RESTART_DELAY_MS.most)) {
        await delay(wait);
        if (stopping) return;
        try {
          await clearStale(server.clusterDir);
          child = await start(server, log);
        } catch (thrown) {
          log.error({ event: 'postgres-restart-failed', ...describeError(thrown) });
          continue;
        }
        if (stopping) return;
        up = true;
        supervise();
        log.warn({ event: 'postgres-restarted' });
        options.onState?.(true);
        return;
      }
    };
    supervise();

    // A gateway that ends without stop() must not leave a server behind where there is no setpriv.
    const lastResort = (): void => void child.kill('SIGINT');
    process.once('exit', lastResort);

    return {
      connection: { host: server.socketDir, port: 5432, user: 'postgres', database: 'postgres' },
      clusterDir: server.clusterDir,
      moved,
      pid: () => (up ? child.pid : undefined),
      isUp: () => up && !hasEnded(child),
      stop: async () => {
        if (stopping) return;
        stopping = true;
        up = false;
        await restarting;
        await stopServer(child);
        process.off('exit', lastResort);
        rmSync(server.socketDir, { recursive: true, force: true });
        release();
      },
    };
  } catch (thrown) {
    release();
    throw thrown;
  }
}

async function prepare(
  dataDir: string,
  settings: Readonly<Record<string, string>>,
): Promise<{ server: ServerOptions; moved: boolean }> {
  const { clusterDir, moved } = placeCluster(dataDir, serverAccount(join(dataDir, 'postgres')));
  const account = serverAccount(clusterDir);
  const binaries = locateBinaries(account);
  ensureCluster(clusterDir, binaries, account);
  const owner = statSync(clusterDir).uid;
  if (account === undefined && owner !== process.getuid?.()) {
    throw new GatewayError(
      'conflict',
      `the cluster in ${clusterDir} belongs to account ${owner}: start as that account or as root`,
    );
  }
  await clearStale(clusterDir);
  const socketDir = ensureSocketDir(clusterDir, account);
  return {
    server: { postgres: binaries.postgres, clusterDir, socketDir, logFile: `${clusterDir}.log`, account, settings },
    moved,
  };
}

/** Milliseconds for which backends of a killed server may still hold its shared memory. */
const ORPHANS_DEADLINE_MS = 30_000;

async function start(server: ServerOptions, log: Log): Promise<ChildProcess> {
  const until = systemClock.now() + ORPHANS_DEADLINE_MS;
  for (;;) {
    try {
      return await startOnce(server, log);
    } catch (thrown) {
      const held = thrown instanceof GatewayError && thrown.message.includes('shared memory block');
      if (!held || systemClock.now() > until) throw thrown;
      await delay(250);
    }
  }
}

async function startOnce(server: ServerOptions, log: Log): Promise<ChildProcess> {
  // Cleaners of temporary folders may have removed it while the server was down.
  if (!existsSync(server.socketDir)) ensureSocketDir(server.clusterDir, server.account);
  clearStaleSocket(server.socketDir, server.clusterDir);
  const child = spawnServer(server);
  // A command that cannot be started is reported by waitReady, which sees that there is no process.
  child.once('error', (thrown) => log.error({ event: 'postgres-not-started', ...describeError(thrown) }));
  await waitReady(child, server, READY_DEADLINE_MS);
  return child;
}
