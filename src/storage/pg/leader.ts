/**
 * One of the processes on a database leads: it holds a session-level advisory lock on a connection of its own. When that
 * connection is lost the lock is free, and this process stops leading before it tries again.
 */
import type { Client, Pool } from './pool.ts';

/** Any constants of our own: the advisory locks of who replicates the own log, of who pulls others, of who renews keys, of who moves records. */
const REPLICATION_LOCK = 4_720_318_904;
export const PULL_LOCK = 4_720_318_905;
export const RENEWAL_LOCK = 4_720_318_906;
export const MOVES_LOCK = 4_720_318_907;
const RETRY_MS = 1_000;

/** Runs `work` if the lock can be had now, on a connection of its own; undefined when somebody else holds it. */
export async function tryAlone<T>(pool: Pool, lock: number, work: () => Promise<T>): Promise<T | undefined> {
  const client = await pool.connect();
  try {
    const { rows } = await client.query<{ mine: boolean }>('select pg_try_advisory_lock($1) as mine', [lock]);
    return rows[0].mine ? await work() : undefined;
  } finally {
    // With the connection goes the lock.
    client.release(true);
  }
}

export interface Leadership {
  /** Gives the lock up; resolves when the work has ended. */
  close(): Promise<void>;
}

/** Runs `lead` while the lock is held; `lead` returns how to stop. Never throws. */
export function seekLeadership(
  pool: Pool,
  lead: () => () => Promise<void>,
  lock: number = REPLICATION_LOCK,
): Leadership {
  let closed = false;
  let stop: (() => Promise<void>) | undefined;
  let client: Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let turn: Promise<void> = Promise.resolve();

  const drop = async (): Promise<void> => {
    const [running, held] = [stop, client];
    stop = undefined;
    client = undefined;
    await running?.();
    held?.release(true);
  };
  const attempt = async (): Promise<void> => {
    if (closed || stop !== undefined) return;
    try {
      client = await pool.connect();
      const { rows } = await client.query<{ mine: boolean }>('select pg_try_advisory_lock($1) as mine', [lock]);
      if (!rows[0].mine) {
        client.release();
        client = undefined;
        return;
      }
      client.on('error', lost);
      client.on('end', lost);
      stop = lead();
    } catch {
      await drop();
    }
  };
  const lost = (): void => {
    turn = turn.then(() => (closed ? undefined : drop()));
  };
  const step = (): void => {
    turn = turn.then(attempt);
    if (!closed) timer = setTimeout(step, RETRY_MS).unref();
  };
  step();
  return {
    async close() {
      closed = true;
      clearTimeout(timer);
      await turn;
      await drop();
    },
  };
}
