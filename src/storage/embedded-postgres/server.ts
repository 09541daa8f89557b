/**
 * One running Postgres server process: its command line, waiting until it is ready, stopping it.
 *
 * `setpriv --pdeathsig` (Linux) stops it when the gateway is killed; `detached` keeps a Ctrl-C in the terminal from
 * stopping it before the gateway has drained.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Account } from './account.ts';
import { isReady, SERVER_ENVIRONMENT } from './cluster.ts';

export interface ServerOptions {
  readonly postgres: string;
  readonly clusterDir: string;
  readonly socketDir: string;
  /** Where the server's own messages go; they hold no values (see NO_PHI). */
  readonly logFile: string;
  readonly account: Account | undefined;
  readonly settings: Readonly<Record<string, string>>;
}

/** Statements, parameters, details and the text of statement errors stay out of the server's log. */
const NO_PHI = {
  log_statement: 'none',
  log_min_error_statement: 'panic',
  // LOG ranks above ERROR here: errors of statements may quote values ("invalid input syntax for ...").
  log_min_messages: 'log',
  log_min_duration_statement: '-1',
  log_parameter_max_length: '0',
  log_parameter_max_length_on_error: '0',
  log_error_verbosity: 'terse',
  log_autovacuum_min_duration: '-1',
  log_checkpoints: 'off',
};

/** Durable (fsync and full_page_writes stay at their default, on), local only, sized for a machine it shares. */
const DEFAULTS = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  timezone: 'UTC',
  log_timezone: 'UTC',
  max_connections: '64',
  shared_buffers: '256MB',
  max_wal_size: '2GB',
  checkpoint_timeout: '15min',
  jit: 'off',
  update_process_title: 'off',
};

/** Log size in bytes above which the log is set aside at the next start. */
const LOG_ROTATE_BYTES = 4 * 1024 * 1024;

let pdeathsig: boolean | undefined;

function hasPdeathsig(): boolean {
  pdeathsig ??= process.platform === 'linux' && spawnSync('setpriv', ['--pdeathsig', 'INT', 'true']).status === 0;
  return pdeathsig;
}

/** Starts the server; ready only after `waitReady`. */
export function spawnServer(options: ServerOptions): ChildProcess {
  const quoted = `"${options.socketDir.replaceAll('"', '""')}"`;
  const settings = { ...DEFAULTS, ...options.settings, ...NO_PHI, unix_socket_directories: quoted };
  const args = [
    '-D',
    options.clusterDir,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
  const command = hasPdeathsig() ? ['setpriv', '--pdeathsig', 'INT', '--', options.postgres] : [options.postgres];
  const size = statSync(options.logFile, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_ROTATE_BYTES) renameSync(options.logFile, `${options.logFile}.1`);
  const log = openSync(options.logFile, 'a', 0o600);
  try {
    const [file, ...before] = command;
    return spawn(file, [...before, ...args], {
      ...options.account,
      cwd: '/',
      env: SERVER_ENVIRONMENT,
      detached: true,
      stdio: ['ignore', log, log],
    });
  } finally {
    closeSync(log);
  }
}

/** Resolves with true when the child ends within `ms`. */
async function endsWithin(child: ChildProcess, ms: number): Promise<boolean> {
  if (hasEnded(child)) return true;
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      child.off('exit', ended);
      resolve(hasEnded(child));
    }, ms);
    const ended = (): void => {
      clearTimeout(timer);
      resolve(true);
    };
    child.once('exit', ended);
  });
}

/** True when the process has ended or could not be started at all. */
export function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

/** The last lines of the server's log, for the message of a failed start. */
function lastWords(logFile: string): string {
  try {
    return readFileSync(logFile, 'utf8').trim().split('\n').slice(-3).join(' | ');
  } catch {
    return 'it left no log';
  }
}

/** Waits until the server accepts connections. Throws `unavailable` when it ends or is not ready within `ms` milliseconds. */
export async function waitReady(child: ChildProcess, options: ServerOptions, ms: number): Promise<void> {
  const until = systemClock.now() + ms;
  while (!hasEnded(child) && systemClock.now() < until) {
    if (child.pid !== undefined && isReady(options.clusterDir, child.pid)) return;
    await delay(10);
  }
  if (!hasEnded(child)) await stopServer(child);
  throw new GatewayError('unavailable', `the embedded Postgres did not start: ${lastWords(options.logFile)}`);
}

/** Stops the server: fast shutdown, then immediate, then kill; each has its deadline. Resolves when the process is gone. */
export async function stopServer(child: ChildProcess): Promise<void> {
  child.kill('SIGINT');
  if (await endsWithin(child, 30_000)) return;
  child.kill('SIGQUIT');
  if (await endsWithin(child, 10_000)) return;
  child.kill('SIGKILL');
  await endsWithin(child, 10_000);
}
