/**
 * Whether checkpoints may leave this process, and whether anything may be written: only while the database is the one for
 * which the restore rule was kept. Another timeline, cluster or database behind the same address (a fail-over, a restore from
 * a backup) closes the gate until the rule has been asked again. A database that lacks what this process has seen committed
 * closes it for good: it was rolled back, and whoever signs on from there forks the log.
 */
import { equalBytes } from '../core/bytes.ts';
import { GatewayError } from '../core/errors.ts';
import { describeError, type Log } from '../core/log.ts';
import type { RestoreVerdict } from './restore-rule.ts';

export type GateState = 'open' | 'withheld' | 'rolled-back';

/** A committed head of the own log. */
export interface CommittedHead {
  readonly size: number;
  readonly root: Uint8Array;
}

export interface ReleaseGate {
  readonly state: () => GateState;
  /** Resolves when checkpoints may leave now; throws `unavailable` while they are withheld. Asks the database every time. */
  check(): Promise<void>;
  /** Throws `integrity` when this database is not the one that was cosigned: nothing may be written to it. */
  checkIntake(): void;
  /** Takes a head that was read from the database. Throws `integrity` when it lacks what this process has seen. */
  checkHead(head: CommittedHead): void;
  /** Takes a head that a commit of this process has made. */
  committed(head: CommittedHead): void;
  /** A cosigner finds that the own log is not what it was: the rule is asked again, which tells who is right. */
  doubt(): void;
  close(): void;
}

export interface ReleaseGateDeps {
  readonly ask: () => Promise<RestoreVerdict>;
  /** Name of the database as it is: cluster, timeline, database. */
  readonly identity: () => Promise<string>;
  /** The newest committed head; undefined while nothing is anchored. */
  readonly head: () => Promise<CommittedHead | undefined>;
  /** Root of the first `size` leaves as they are stored. */
  readonly rootAt: (size: number) => Promise<Uint8Array | undefined>;
  readonly log: Log;
  /** Milliseconds between two questions while too few have answered. */
  readonly againMs: number;
  /** Milliseconds between two looks at the database. */
  readonly watchMs: number;
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
  const gate = new Gate(deps, await deps.identity());
  await gate.open();
  return gate;
}

class Gate implements ReleaseGate {
  readonly #deps: ReleaseGateDeps;
  #identity: string;
  #state: GateState = 'withheld';
  #fault: GatewayError | undefined;
  /** The furthest head that this process has seen committed. */
  #seen: CommittedHead = { size: 0, root: new Uint8Array() };
  #asking: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #watching: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(deps: ReleaseGateDeps, identity: string) {
    this.#deps = deps;
    this.#identity = identity;
  }

  readonly state = (): GateState => this.#state;

  async open(): Promise<void> {
    await this.#ask();
    if (this.#fault !== undefined) throw this.#fault;
    this.#watch();
  }

  async check(): Promise<void> {
    await this.#look();
    this.checkIntake();
    if (this.#state !== 'open') {
      throw new GatewayError(
        'unavailable',
        'checkpoints are withheld until enough peers have answered after a restart or a fail-over of the database',
      );
    }
  }

  checkIntake(): void {
    if (this.#fault !== undefined) throw this.#fault;
  }

  checkHead(head: CommittedHead): void {
    const { size, root } = this.#seen;
    if (head.size < size || (head.size === size && size > 0 && !equalBytes(head.root, root))) this.#lost();
    this.checkIntake();
    this.#seen = head;
  }

  committed(head: CommittedHead): void {
    if (head.size > this.#seen.size) this.#seen = head;
  }

  doubt(): void {
    if (this.#state !== 'open' || this.#closed) return;
    // Silence proves nothing now: one peer that refuses must not be able to close the gate.
    this.#asking ??= this.#ask(true)
      .catch((error: unknown) => this.#deps.log.warn({ event: 'restore-rule.failed', ...describeError(error) }))
      .finally(() => (this.#asking = undefined));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#watching);
  }

  /** What has changed is noticed when a checkpoint is asked for, when something is written, and at the latest by this. */
  #watch(): void {
    if (this.#closed) return;
    this.#watching = setTimeout(() => {
      // A database that is away says nothing yet: the commits and the next look will.
      void this.#look()
        .catch(() => {})
        .finally(() => this.#watch());
    }, this.#deps.watchMs).unref();
  }

  async #look(): Promise<void> {
    if (this.#state === 'rolled-back') return;
    const identity = await this.#deps.identity();
    if (identity !== this.#identity) {
      this.#deps.log.warn({ event: 'database-changed' });
      this.#state = 'withheld';
      this.#identity = identity;
      await this.#again();
    }
    const before = this.#seen.size;
    const head = await this.#deps.head();
    if ((head?.size ?? 0) < before) this.#lost();
  }

  /** What this process saw committed must be in the database that answers now, whatever peers know of it. */
  async #compare(): Promise<void> {
    const { size, root } = this.#seen;
    if (size === 0) return;
    const stored = ((await this.#deps.head())?.size ?? 0) < size ? undefined : await this.#deps.rootAt(size);
    if (stored === undefined || !equalBytes(stored, root)) this.#lost();
  }

  #lost(): void {
    if (this.#fault !== undefined) return;
    this.#state = 'rolled-back';
    this.#fault = new GatewayError(
      'integrity',
      'the database has lost commits that this gateway has acknowledged: bring back the replica or backup that has them, or run `anamnesis restore`; then start again',
    );
    this.#deps.log.error({ event: 'database-lost-commits', size: this.#seen.size });
  }

  async #ask(inDoubt = false): Promise<void> {
    await this.#compare();
    if (this.#fault !== undefined) return;
    const { log } = this.#deps;
    const verdict = await this.#deps.ask();
    if (verdict.kind === 'go-on') {
      if (this.#state !== 'open') log.info({ event: 'restore-rule.kept' });
      this.#state = 'open';
    } else if (verdict.kind === 'too-few') {
      if (inDoubt) return;
      this.#state = 'withheld';
      log.warn({ event: 'restore-rule.too-few-answers', count: verdict.answers });
      this.#later();
    } else {
      this.#state = 'rolled-back';
      this.#fault = rolledBack(verdict);
      log.error({ event: 'restore-rule.rolled-back', kind: verdict.kind, size: verdict.size });
    }
  }

  #again(): Promise<void> {
    clearTimeout(this.#timer);
    return (this.#asking ??= this.#ask()
      .catch((error: unknown) => {
        this.#deps.log.warn({ event: 'restore-rule.failed', ...describeError(error) });
        this.#later();
      })
      .finally(() => (this.#asking = undefined)));
  }

  #later(): void {
    if (!this.#closed) this.#timer = setTimeout(() => void this.#again(), this.#deps.againMs).unref();
  }
}
