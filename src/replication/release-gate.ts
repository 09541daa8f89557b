/**
 * Whether checkpoints may leave this process: only after the restore rule has been kept for the database as it is now. A new
 * timeline of Postgres (a fail-over, a restore from a backup) closes the gate until the rule has been asked again.
 */
import { GatewayError } from '../core/errors.ts';
import { describeError, type Log } from '../core/log.ts';
import type { RestoreVerdict } from './restore-rule.ts';

export type GateState = 'open' | 'withheld' | 'rolled-back';

export interface ReleaseGate {
  readonly state: () => GateState;
  /** Resolves when checkpoints may leave now; throws `unavailable` while they are withheld. Asks the database every time. */
  check(): Promise<void>;
  /** Throws `integrity` when this database is not the one that was cosigned: nothing may be written to it. */
  checkIntake(): void;
  close(): void;
}

export interface ReleaseGateDeps {
  readonly ask: () => Promise<RestoreVerdict>;
  /** Name of the database's timeline. */
  readonly timeline: () => Promise<string>;
  readonly log: Log;
  /** Milliseconds between two questions while too few have answered. */
  readonly againMs: number;
}

export function rolledBack(verdict: { readonly kind: 'behind' | 'forked'; readonly size: number }): GatewayError {
  const what = verdict.kind === 'behind' ? 'has fewer' : 'has others';
  return new GatewayError(
    'integrity',
    `peers have cosigned ${verdict.size} leaves of this log, and the database ${what}: it was rolled back or replaced; run \`anamnesis restore\``,
  );
}

/** Asks once before it resolves. Throws `integrity` when the database was rolled back. */
export async function openReleaseGate(deps: ReleaseGateDeps): Promise<ReleaseGate> {
  let timeline = await deps.timeline();
  let state: GateState = 'withheld';
  let fault: GatewayError | undefined;
  let asking: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const ask = async (): Promise<void> => {
    const verdict = await deps.ask();
    if (verdict.kind === 'go-on') {
      if (state !== 'open') deps.log.info({ event: 'restore-rule.kept' });
      state = 'open';
    } else if (verdict.kind === 'too-few') {
      state = 'withheld';
      deps.log.warn({ event: 'restore-rule.too-few-answers', count: verdict.answers });
      if (!closed) timer = setTimeout(() => void again(), deps.againMs).unref();
    } else {
      state = 'rolled-back';
      fault = rolledBack(verdict);
      deps.log.error({ event: 'restore-rule.rolled-back', kind: verdict.kind, size: verdict.size });
    }
  };
  const again = (): Promise<void> => {
    clearTimeout(timer);
    return (asking ??= ask()
      .catch((error: unknown) => {
        deps.log.warn({ event: 'restore-rule.failed', ...describeError(error) });
        if (!closed) timer = setTimeout(() => void again(), deps.againMs).unref();
      })
      .finally(() => (asking = undefined)));
  };

  await ask();
  if (fault !== undefined) throw fault;
  return {
    state: () => state,
    async check() {
      const now = await deps.timeline();
      if (now !== timeline && state !== 'rolled-back') {
        deps.log.warn({ event: 'database-timeline-changed' });
        state = 'withheld';
        timeline = now;
        await again();
      }
      if (fault !== undefined) throw fault;
      if (state !== 'open') {
        throw new GatewayError(
          'unavailable',
          'checkpoints are withheld until enough peers have answered after a restart',
        );
      }
    },
    checkIntake() {
      if (fault !== undefined) throw fault;
    },
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}
