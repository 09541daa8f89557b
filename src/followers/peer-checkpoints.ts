/**
 * Anchors in the own log what the witness has accepted of other logs, so that a rewritten history of theirs contradicts ours, and the
 * evidence of two trees. The newest checkpoint of each log now and then, not every one: a checkpoint of ours for each of theirs
 * would make logs that watch each other grow for ever. For the same reason nothing is anchored while the own log has had
 * nothing but such documents since the last time.
 */
import { asGatewayError } from '../core/errors.ts';
import { describeError, type Log } from '../core/log.ts';
import type { Notice } from '../record/notice.ts';
import type { Equivocation } from '../replication/accept-checkpoint.ts';

/** A checkpoint of another log, or two that contradict each other, as anchored. */
export interface AnchoredCheckpoint {
  readonly origin: string;
  readonly size: number;
  /** 32 bytes. */
  readonly root: Buffer;
  readonly note: string;
  readonly second: string | undefined;
  /** Milliseconds since 1970. */
  readonly foundAt: number | undefined;
}

/** Idempotent reads of what is committed. Errors: `unavailable`. */
export interface PeerCheckpointStore {
  /** In the order in which they were anchored. */
  anchored(): Promise<readonly AnchoredCheckpoint[]>;
  /** What the witness has accepted last of each log. */
  accepted(): Promise<readonly { readonly origin: string; readonly size: number; readonly note: string }[]>;
  evidence(): Promise<readonly Equivocation[]>;
}

export interface PeerCheckpointDeps {
  readonly store: PeerCheckpointStore;
  /** Durable on return. */
  readonly anchor: (notice: Notice) => Promise<void>;
  /** False while nothing can be anchored yet. */
  readonly isReady: () => boolean;
  /** Leaves of the own log. */
  readonly size: () => Promise<number>;
  readonly log: Log;
}

/** Anchors what is missing: evidence always, checkpoints where `all` says so. Resolves with how many documents that made. */
export async function anchorPeerCheckpoints({ store, anchor }: PeerCheckpointDeps, all: boolean): Promise<number> {
  const anchored = await store.anchored();
  let count = 0;
  for (const { first, second, foundAt } of await store.evidence()) {
    if (anchored.some((known) => known.note === first && known.second === second)) continue;
    await anchor({ kind: 'checkpoint', note: first, second, foundAt });
    count += 1;
  }
  if (!all) return count;
  const largest = new Map<string, number>();
  for (const { origin, size } of anchored) largest.set(origin, Math.max(size, largest.get(origin) ?? 0));
  for (const { origin, size, note } of await store.accepted()) {
    if (size <= (largest.get(origin) ?? 0)) continue;
    await anchor({ kind: 'checkpoint', note });
    count += 1;
  }
  return count;
}

export interface PeerCheckpoints {
  /** Evidence was found: look for it now. */
  wake(): void;
  /** Resolves when nothing runs any more. */
  close(): Promise<void>;
}

/** Looks every `everyMs`, and for evidence at once. Faults are logged and tried again at the next look. */
export function startPeerCheckpoints(deps: PeerCheckpointDeps, everyMs: number): PeerCheckpoints {
  let quietAt: number | undefined;
  let running: Promise<void> = Promise.resolve();
  let closed = false;
  const look = async (all: boolean): Promise<void> => {
    if (closed || !deps.isReady()) return;
    try {
      const before = await deps.size();
      // Nothing of others before anything of our own: the log has to have begun.
      if (before === 0) return;
      const count = await anchorPeerCheckpoints(deps, all && before !== quietAt);
      if (count > 0) quietAt = await deps.size();
    } catch (thrown) {
      const { code } = asGatewayError(thrown);
      deps.log.warn({ event: 'peer-checkpoints.failed', code, ...describeError(thrown) });
    }
  };
  const queue = (all: boolean): void => void (running = running.then(() => look(all)));
  const timer = setInterval(() => queue(true), everyMs).unref();
  queue(false);
  return {
    wake: () => queue(false),
    async close() {
      closed = true;
      clearInterval(timer);
      await running;
    },
  };
}
