/**
 * Mirror by pull: keeps the own mirror of other logs up to date from their `/ledger`, or from another mirror of them while
 * their origin is away. Every log has its own loop and its own pause, and at most some are pulled at one time, so that neither
 * a dead nor a large log holds up the others. Where it was is in the mirror's own cursors: it can be stopped anywhere.
 */
import { asGatewayError, type ErrorCode } from '../core/errors.ts';
import { describeError, type Log } from '../core/log.ts';

export interface PullLogsDeps {
  /** Origins to pull. */
  readonly origins: readonly string[];
  /** Places to pull an origin from, in the order in which they are tried. */
  readonly sources: (origin: string) => readonly string[];
  /**
   * Brings the mirror up to what the source has; resolves with the size. Idempotent; goes on where the last one was stopped.
   * Throws `unavailable`, `timeout`, `not-found` (try another source), `integrity`, `storage-full`, `conflict` (try again).
   */
  readonly pull: (origin: string, source: string) => Promise<number>;
  /** A number that grows with what is here of a log. */
  readonly reached: (origin: string) => Promise<number>;
  /** Nothing of a suspended origin is pulled. */
  readonly isSuspended: (origin: string) => boolean;
  readonly log: Log;
  readonly onPulled: (origin: string, ok: boolean, size: number) => void;
}

export interface PullLogsSettings {
  /** Milliseconds between two looks at a log that is up to date. */
  readonly everyMs: number;
  /** First and longest pause after a fault, milliseconds. */
  readonly pauseMs: number;
  readonly maxPauseMs: number;
  /** Logs that are pulled at one time. */
  readonly atOnce: number;
}

export const PULL_DEFAULTS: PullLogsSettings = { everyMs: 5_000, pauseMs: 1_000, maxPauseMs: 60_000, atOnce: 4 };

export interface PullLogs {
  /** Ends the pauses; resolves when nothing runs any more. */
  close(): Promise<void>;
}

/** After these another place may have what is missing. */
const ELSEWHERE: ReadonlySet<ErrorCode> = new Set(['unavailable', 'timeout', 'not-found']);

/** Starts the loops. Errors are logged and tried again; it never throws. */
export function startPullLogs(deps: PullLogsDeps, settings: PullLogsSettings = PULL_DEFAULTS): PullLogs {
  let closed = false;
  const sleepers = new Set<() => void>();
  const turn = turns(settings.atOnce);

  const sleep = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        sleepers.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      timer.unref();
      sleepers.add(wake);
      if (closed) wake();
    });

  const loop = async (origin: string): Promise<void> => {
    let pauseMs = 0;
    let reached = 0;
    while (!closed) {
      if (!deps.isSuspended(origin)) {
        const ok = await turn(() => (closed ? Promise.resolve(true) : pullOnce(deps, origin)));
        const now = await deps.reached(origin).catch(() => reached);
        // A link that breaks again and again still brings something: only one that brings nothing is left alone for longer.
        const least = now > reached ? 0 : pauseMs * 2;
        pauseMs = ok ? 0 : Math.min(Math.max(least, settings.pauseMs), settings.maxPauseMs);
        reached = now;
      }
      await sleep(pauseMs === 0 ? settings.everyMs : pauseMs);
    }
  };
  const running = deps.origins.map(loop);
  return {
    async close() {
      closed = true;
      for (const wake of sleepers) wake();
      await Promise.all(running);
    },
  };
}

async function pullOnce(deps: PullLogsDeps, origin: string): Promise<boolean> {
  for (const source of deps.sources(origin)) {
    try {
      deps.onPulled(origin, true, await deps.pull(origin, source));
      return true;
    } catch (thrown) {
      const error = asGatewayError(thrown);
      // Its own upload was faster: all is well.
      if (error.code === 'conflict') return true;
      deps.log.warn({ event: 'pull.failed', source: origin, code: error.code, ...describeError(error) });
      if (!ELSEWHERE.has(error.code)) break;
    }
  }
  deps.onPulled(origin, false, 0);
  return false;
}

/** Runs at most `atOnce` works at one time, in the order in which they came. */
function turns(atOnce: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = atOnce;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}
