/**
 * Moves: takes what hangs on visits and accounts that were moved to another patient after them (`services/move-records`). What is left to
 * do stands in the ledger, so that any process can begin, and go on after another was killed.
 */
import { asGatewayError } from '../core/errors.ts';
import { describeError, type Log } from '../core/log.ts';
import { moveRecords, type MoveDeps, type PendingMove } from '../services/move-records.ts';

export interface MovesDeps extends Omit<MoveDeps, 'progress'> {
  /** Moves that are not done, oldest first. Reads of committed rows. Throws `unavailable`. */
  readonly pending: (limit: number) => Promise<readonly PendingMove[]>;
  readonly log: Log;
  /** Told of each look, and of each batch. Must not throw. */
  readonly observe?: { pending(moves: number): void; moved(records: number): void };
}

export interface MovesSettings {
  /** Time between two looks, milliseconds. */
  readonly pollMs: number;
}

export const MOVES_DEFAULTS: MovesSettings = { pollMs: 2_000 };

/** Moves looked at in one round. */
const ROUND = 20;

export interface MovesFollower {
  /** Resolves when what runs has ended; a move in hand is left between two batches. */
  close(): Promise<void>;
}

/** One look: takes up all that is pending. Errors are logged; the next look tries again. Returns the records moved. */
export async function runMoves(deps: MovesDeps, stop: () => boolean = () => false): Promise<number> {
  let moved = 0;
  const failed = new Set<string>();
  for (;;) {
    const pending = await deps.pending(ROUND);
    deps.observe?.pending(pending.length);
    const waiting = pending.filter(({ id }) => !failed.has(id));
    if (waiting.length === 0 || stop()) return moved;
    for (const move of waiting) {
      if (stop()) return moved;
      try {
        let before = 0;
        const progress = (_move: PendingMove, count: number): void => {
          deps.observe?.moved(count - before);
          before = count;
          deps.log.info({ event: 'moves.progress', leaf: move.leaf, count });
        };
        const count = await moveRecords({ ...deps, progress }, move, stop);
        moved += count;
        deps.log.info({ event: 'moves.done', leaf: move.leaf, count });
      } catch (thrown) {
        failed.add(move.id);
        const error = asGatewayError(thrown);
        deps.log.error({ event: 'moves.failed', code: error.code, leaf: move.leaf, ...describeError(error) });
      }
    }
  }
}

/** Starts the follower; it never throws. */
export function startMovesFollower(deps: MovesDeps, settings: MovesSettings): MovesFollower {
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<unknown> = Promise.resolve();
  const round = (): void => {
    running = runMoves(deps, () => closed)
      .catch((thrown: unknown) => {
        const error = asGatewayError(thrown);
        deps.log.error({ event: 'moves.failed', code: error.code, ...describeError(error) });
      })
      .then(() => {
        if (closed) return;
        timer = setTimeout(round, settings.pollMs);
        timer.unref();
      });
  };
  round();
  return {
    async close() {
      closed = true;
      clearTimeout(timer);
      await running;
    },
  };
}
