/**
 * A lock beside a file, for what processes of one machine must not do at the same time. The lock is a file that is made or is
 * there; one that its maker has not touched for half a minute is of a process that has crashed.
 */
import { constants } from 'node:fs';
import { open, rm, stat } from 'node:fs/promises';
import { systemClock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';

/** Work under the lock takes a second at most (a key file under a passphrase). */
const ABANDONED_MS = 30_000;
const WAIT_MS = 60_000;
const AGAIN_MS = 50;

/** Runs `work` while `<path>.lock` is held. Throws `busy` when it cannot be had, `unavailable` when it cannot be made. */
export async function locked<T>(path: string, work: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`;
  const until = systemClock.now() + WAIT_MS;
  while (!(await take(lock))) {
    if (systemClock.now() > until) throw new GatewayError('busy', `others keep changing ${path}: try again`);
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}

async function take(lock: string): Promise<boolean> {
  try {
    const file = await open(lock, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600);
    await file.close();
    return true;
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'EEXIST')) {
      throw new GatewayError('unavailable', `the lock ${lock} cannot be made`, { cause });
    }
    const found = await stat(lock).catch(() => undefined);
    if (found !== undefined && systemClock.now() - found.mtimeMs > ABANDONED_MS) await rm(lock, { force: true });
    return false;
  }
}
