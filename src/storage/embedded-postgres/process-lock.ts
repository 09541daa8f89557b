/**
 * A lock file that one living process holds: it names the process and when that process started, so that a lock left
 * behind by a crash, or whose number was given to another process since, is recognised and taken over.
 *
 * Node has no flock. Two processes in different pid namespaces that share a folder do not see each other: do not mount one
 * data directory into two containers.
 */
import { spawnSync } from 'node:child_process';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { GatewayError } from '../../core/errors.ts';

/** True when a process with this number exists, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return thrown instanceof Error && 'code' in thrown && thrown.code === 'EPERM';
  }
}

/** What tells a process from another that has its number later: boot and start time. Empty when there is no such process. */
export function processIdentity(pid: number): string {
  if (!isAlive(pid)) return '';
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    // The command name in parentheses may hold spaces: count the fields after it. State is field 3, start time field 22.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    // A zombie has ended; some containers have no init process that would clear it away.
    return fields[0] === 'Z' || fields[0] === 'X' ? '' : `${boot} ${fields[19]}`;
  } catch {
    return spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).stdout?.trim() ?? '';
  }
}

/** Process that holds the lock; undefined when the text is of a process that is gone. */
function holder(text: string): number | undefined {
  const [pid, identity] = text.split('\n');
  const number = Number(pid);
  return Number.isSafeInteger(number) &&
    number > 0 &&
    identity !== undefined &&
    identity !== '' &&
    processIdentity(number) === identity
    ? number
    : undefined;
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * Takes the lock or throws `conflict` with the number of the process that holds it. The returned function gives it back.
 * `what` names the locked thing in the message.
 */
export function acquireLock(file: string, what: string): () => void {
  const own = `${process.pid}\n${processIdentity(process.pid)}\n`;
  const fresh = `${file}.${process.pid}`;
  // Written aside and linked, so that nobody ever reads a half-written lock.
  writeFileSync(fresh, own, { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 20; attempt += 1) {
      try {
        linkSync(fresh, file);
        return () => {
          if (read(file) === own) rmSync(file, { force: true });
        };
      } catch (thrown) {
        if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST')) throw thrown;
      }
      const stood = read(file);
      if (stood === undefined) continue;
      const pid = holder(stood);
      if (pid !== undefined)
        throw new GatewayError(
          'conflict',
          `${what} is in use by another gateway (process ${pid}); stop it first, or choose another DATA_DIR`,
        );
      takeAway(file, stood);
    }
    throw new GatewayError('conflict', `${what} is being locked by other processes over and over`);
  } finally {
    rmSync(fresh, { force: true });
  }
}

/** Removes a stale lock. When another process has replaced it in the meantime, its lock is put back. */
function takeAway(file: string, stale: string): void {
  const aside = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, aside);
    if (read(aside) !== stale) linkSync(aside, file);
  } catch {
    // Another process was faster: the caller looks again.
  } finally {
    rmSync(aside, { force: true });
  }
}
