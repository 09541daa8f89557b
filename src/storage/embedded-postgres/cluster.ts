/**
 * The embedded cluster's folder: where it lies, making it (initdb into a folder aside, then a rename, so that a crash
 * leaves no half-made cluster), and clearing what a crash left behind.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import { canReach, type Account } from './account.ts';
import type { Binaries } from './binaries.ts';
import { isAlive } from './process-lock.ts';

/** Environment of the Postgres processes: nothing of ours, least of all settings with secrets. */
export const SERVER_ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** Where root keeps clusters whose data directory the server's account cannot reach. */
const FALLBACK_PARENT = '/var/lib/anamnesis';

function shortHash(path: string): string {
  return createHash('sha256').update(path).digest('hex').slice(0, 16);
}

/**
 * The folder of the cluster of a data directory: `postgres` in it, unless the server's account cannot pass the folders
 * above; then one under /var/lib/anamnesis, to which an existing cluster is moved. A data directory that is closed to
 * others is opened for passing through (o+x): what lies in it is closed by itself. Folders above it are left alone.
 */
export function placeCluster(
  dataDir: string,
  account: Account | undefined,
): { readonly clusterDir: string; readonly moved: boolean } {
  const inside = join(realpathSync(dataDir), 'postgres');
  if (!canReach(dataDir, account) && canReach(dirname(dataDir), account)) {
    chmodSync(dataDir, (statSync(dataDir).mode & 0o777) | 0o001);
  }
  if (canReach(dataDir, account)) return { clusterDir: inside, moved: false };
  const outside = join(FALLBACK_PARENT, shortHash(inside), 'postgres');
  mkdirSync(dirname(outside), { recursive: true });
  for (const folder of [FALLBACK_PARENT, dirname(outside)]) chmodSync(folder, 0o711);
  if (existsSync(join(inside, 'PG_VERSION')) && !existsSync(outside)) move(inside, outside);
  writeFileSync(join(dataDir, 'postgres-is-elsewhere.txt'), `${outside}\n`);
  return { clusterDir: outside, moved: true };
}

function move(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch {
    // Another file system: copy aside first, so that a crash half-way leaves the original as the only one.
    cpSync(from, `${to}.part`, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
    renameSync(`${to}.part`, to);
    rmSync(from, { recursive: true });
  }
}

function giveTo(path: string, account: Account | undefined): void {
  if (account !== undefined) chownSync(path, account.uid, account.gid);
}

/** Makes the cluster when there is none. Throws `conflict` for one of another Postgres version or another account. */
export function ensureCluster(clusterDir: string, binaries: Binaries, account: Account | undefined): void {
  const major = binaries.version.split('.')[0];
  if (existsSync(join(clusterDir, 'PG_VERSION'))) {
    const stored = readFileSync(join(clusterDir, 'PG_VERSION'), 'utf8').trim();
    if (stored !== major) {
      throw new GatewayError(
        'conflict',
        `the cluster in ${clusterDir} is of Postgres ${stored}, this gateway brings ${major}: dump it with the old version, or rebuild from the ledger`,
      );
    }
    if (account !== undefined && statSync(clusterDir).uid === 0)
      spawnSync('chown', ['-R', `${account.uid}:${account.gid}`, clusterDir]);
    return;
  }
  if (existsSync(clusterDir))
    throw new GatewayError(
      'conflict',
      `${clusterDir} exists and is no Postgres cluster, or belongs to another account`,
    );
  // Each attempt its own folder: an initdb whose gateway was killed may still be writing into an older one.
  const unfinished = readdirSync(dirname(clusterDir)).filter((name) => name.startsWith('postgres.new-'));
  for (const name of unfinished) rmSync(join(dirname(clusterDir), name), { recursive: true, force: true });
  const fresh = `${clusterDir}.new-${process.pid}`;
  mkdirSync(fresh, { mode: 0o700 });
  giveTo(fresh, account);
  const args = ['-D', fresh, '-U', 'postgres', '--auth=trust', '--encoding=UTF8', '--locale=C'];
  const locale = ['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--no-instructions'];
  const made = spawnSync(binaries.initdb, [...args, ...locale], {
    ...account,
    env: SERVER_ENVIRONMENT,
    cwd: '/',
    encoding: 'utf8',
  });
  if (made.status !== 0) {
    const why = (made.stderr ?? '').trim().split('\n').slice(-3).join(' | ') || String(made.error);
    throw new GatewayError('unavailable', `initdb failed in ${fresh}: ${why}`);
  }
  renameSync(fresh, clusterDir);
}

/** First line of postmaster.pid: the process that runs, or ran, on the cluster. */
export function postmasterPid(clusterDir: string): number | undefined {
  return firstNumber(join(clusterDir, 'postmaster.pid'));
}

/** The process number in the first line of a lock file; undefined when there is no such file, or none in it. */
function firstNumber(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, 'utf8').split('\n')[0]);
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** True when postmaster.pid says that `pid` accepts connections (its eighth line). */
export function isReady(clusterDir: string, pid: number): boolean {
  try {
    const lines = readFileSync(join(clusterDir, 'postmaster.pid'), 'utf8').split('\n');
    return Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
  } catch {
    return false;
  }
}

/** True when the process is a Postgres that works in this cluster; on systems without /proc any process of that number. */
function servesCluster(pid: number, clusterDir: string): boolean {
  if (!isAlive(pid)) return false;
  if (!existsSync('/proc/self/cwd')) return true;
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(clusterDir);
  } catch {
    return false;
  }
}

/**
 * Ends a Postgres that a killed gateway left running here, and removes a postmaster.pid whose number belongs to some other
 * process by now (Postgres itself would refuse to start). The caller holds the data directory's lock.
 */
export async function clearStale(clusterDir: string): Promise<void> {
  const pid = postmasterPid(clusterDir);
  if (pid === undefined) return;
  for (const [signal, patienceMs] of [
    ['SIGINT', 20_000],
    ['SIGQUIT', 10_000],
  ] as const) {
    if (!servesCluster(pid, clusterDir)) break;
    process.kill(pid, signal);
    const until = systemClock.now() + patienceMs;
    while (servesCluster(pid, clusterDir) && systemClock.now() < until) await delay(20);
  }
  if (servesCluster(pid, clusterDir)) {
    throw new GatewayError('conflict', `process ${pid} still runs on the cluster in ${clusterDir} and does not stop`);
  }
  if (postmasterPid(clusterDir) === pid) rmSync(join(clusterDir, 'postmaster.pid'), { force: true });
}

/**
 * Removes the socket and its lock file that a killed server left behind. Postgres does so itself unless a process has the number
 * in the lock: another one by now, or the dead server that no init process has cleared away, as in many containers.
 */
export function clearStaleSocket(socketDir: string, clusterDir: string): void {
  const socket = join(socketDir, '.s.PGSQL.5432');
  const pid = firstNumber(`${socket}.lock`);
  if (pid === undefined || servesCluster(pid, clusterDir)) return;
  rmSync(socket, { force: true });
  rmSync(`${socket}.lock`, { force: true });
}

/** Longest path of a Unix socket that Linux takes, in bytes; macOS takes 103. */
const SOCKET_PATH_MAX = 103;

/**
 * A folder for the Unix socket that only the server's account (and root) can enter: Postgres asks for no password there.
 * Its name is a hash, because the path must be short whatever the data directory's is.
 */
export function ensureSocketDir(clusterDir: string, account: Account | undefined): string {
  const parent = Buffer.byteLength(tmpdir()) > 40 ? '/tmp' : tmpdir();
  const socketDir = resolve(parent, `anamnesis-${shortHash(clusterDir)}`);
  if (!existsSync(socketDir)) {
    mkdirSync(socketDir, { mode: 0o700 });
    giveTo(socketDir, account);
  }
  const stat = lstatSync(socketDir);
  const owner = account?.uid ?? process.getuid?.();
  if (!stat.isDirectory() || stat.uid !== owner || (stat.mode & 0o077) !== 0) {
    throw new GatewayError(
      'conflict',
      `${socketDir} must be a folder of the database's account with mode 0700; remove it and start again`,
    );
  }
  if (Buffer.byteLength(join(socketDir, '.s.PGSQL.5432')) > SOCKET_PATH_MAX) {
    throw new GatewayError('unavailable', `${socketDir} is too long a path for a socket; set TMPDIR to a shorter one`);
  }
  return socketDir;
}
