/**
 * Study follower: makes Patient and ImagingStudy of the instances of the ledger. It gathers which studies have grown, and
 * settles each by one `dicom-study` submission, made from all instances of the study, never from a difference: so
 * running again, in another process or from the beginning, ends in the same resources.
 *
 * The cursor is saved behind the oldest instance that is not settled. A study that grows by one association an image is
 * settled at doubling intervals, so that n images cost about log n versions and not n.
 */
import { systemPermit } from '../consent/permit.ts';
import type { Clock } from '../core/clock.ts';
import { asGatewayError, GatewayError, type ErrorCode } from '../core/errors.ts';
import type { LeafIndex } from '../core/ids.ts';
import { describeError, type Log } from '../core/log.ts';
import { addInstance, emptyStudy, instanceCount, type StudyAggregate } from '../normalize/dicom/aggregate.ts';
import { decodeInstance, instancePatientKey } from '../normalize/dicom/instance.ts';
import { sourceName, type DicomSource } from '../normalize/dicom/source.ts';
import { studyChanges } from '../normalize/dicom/study.ts';
import type { Writer } from '../write/submission.ts';
import type { CursorStore, InstanceFeed } from './ports.ts';

/** Name of its cursor. */
export const STUDIES_FOLLOWER = 'studies';

export interface StudiesDeps {
  readonly feed: InstanceFeed;
  readonly cursors: CursorStore;
  readonly writer: Writer;
  readonly clock: Clock;
  readonly log: Log;
  readonly source: DicomSource;
}

export interface StudiesSettings {
  /** Without a wake the ledger is looked at this often, milliseconds: instances of other processes, and after a crash. */
  readonly pollMs: number;
  /** A study found by polling is settled when nothing was added to it for this long, milliseconds. */
  readonly quietMs: number;
  /** Shortest and longest time between two settlings of one growing study, milliseconds. */
  readonly minIntervalMs: number;
  readonly maxIntervalMs: number;
}

export const STUDIES_DEFAULTS: StudiesSettings = {
  pollMs: 5_000,
  quietMs: 2_000,
  minIntervalMs: 1_000,
  maxIntervalMs: 60_000,
};

export interface StudiesFollower {
  /** An association that stored objects has ended: look at once. */
  wake(): void;
  /** Looks and settles everything that is there, due or not. For tests, the demo and before a stop. */
  settleAll(): Promise<void>;
  /** Resolves when nothing runs any more. What is not settled is found again at the next start. */
  close(): Promise<void>;
}

/** Messages looked at in one step. */
const SCAN_ROWS = 1_000;
/** Studies whose aggregates are kept, the most recent. */
const KEPT_STUDIES = 64;
/** Attempts at a study that fails for no reason that a retry is known to cure. */
const MAX_ATTEMPTS = 5;
const RETRYABLE: ReadonlySet<ErrorCode> = new Set(['busy', 'unavailable', 'timeout', 'storage-full']);

/** A study with instances that are not settled. */
interface Pending {
  /** Leaf of the oldest of them. */
  readonly first: LeafIndex;
  /** When the newest of them was seen, milliseconds since 1970. */
  seenAt: number;
  attempts: number;
}

/** Everything known of a study, by patient: one, unless senders disagree about whose study it is. */
interface Known {
  readonly byPatient: Map<string, StudyAggregate>;
  /** Leaf behind the last instance added. */
  next: LeafIndex;
}

/** When a study was last settled, and how long to wait for the next time. */
interface Pace {
  readonly settledAt: number;
  readonly intervalMs: number;
}

const after = (leaf: LeafIndex): LeafIndex => (leaf + 1) as LeafIndex;

/** Keeps the newest `most` entries of a map that is used as a cache. */
function remember<V>(cache: Map<string, V>, key: string, value: V, most: number): void {
  cache.delete(key);
  cache.set(key, value);
  for (const oldest of cache.keys()) {
    if (cache.size <= most) break;
    cache.delete(oldest);
  }
}

/** Starts the follower. Its errors are logged and tried again; it never throws. */
export function startStudiesFollower(deps: StudiesDeps, settings: StudiesSettings): StudiesFollower {
  const permit = systemPermit('settle');
  const pending = new Map<string, Pending>();
  const known = new Map<string, Known>();
  const paces = new Map<string, Pace>();
  let scanned: LeafIndex | undefined;
  let saved: LeafIndex | undefined;
  let woken = false;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();

  /** Finds the instances that were added since the last look. */
  const scan = async (): Promise<void> => {
    scanned ??= saved = await deps.cursors.load(STUDIES_FOLLOWER);
    for (;;) {
      const rows = await deps.feed.after(scanned, SCAN_ROWS);
      const now = deps.clock.now();
      for (const { leaf, thread } of rows) {
        const study = pending.get(thread);
        if (study === undefined) pending.set(thread, { first: leaf, seenAt: now, attempts: 0 });
        else study.seenAt = now;
        scanned = after(leaf);
      }
      if (rows.length < SCAN_ROWS) return;
    }
  };

  const gather = async (thread: string): Promise<Known> => {
    const study = known.get(thread) ?? { byPatient: new Map<string, StudyAggregate>(), next: 0 as LeafIndex };
    for await (const { leaf, raw } of deps.feed.ofThread(permit, thread, study.next)) {
      const document = decodeInstance(raw);
      if (document === undefined) throw new GatewayError('integrity', 'an instance document cannot be read');
      const patient = JSON.stringify(instancePatientKey(document.attributes, deps.source));
      let aggregate = study.byPatient.get(patient);
      if (aggregate === undefined) study.byPatient.set(patient, (aggregate = emptyStudy(document.studyInstanceUid)));
      addInstance(aggregate, document);
      study.next = after(leaf);
    }
    remember(known, thread, study, KEPT_STUDIES);
    return study;
  };

  const settle = async (thread: string): Promise<void> => {
    const { byPatient } = await gather(thread);
    for (const study of byPatient.values()) {
      try {
        await deps.writer.submit({
          kind: 'dicom-study',
          source: sourceName(deps.source),
          changes: studyChanges(study, deps.source),
          receivedAt: deps.clock.now(),
          sourceTime: study.receivedAt,
          details: { instances: instanceCount(study) },
          validate: true,
        });
      } catch (thrown) {
        const { code } = asGatewayError(thrown);
        // The study is another patient's: the first one to name it keeps it, the rest is for a person to review.
        if (code !== 'business-rule' && code !== 'conflict') throw thrown;
        deps.log.warn({ event: 'studies.subject-conflict', code, count: instanceCount(study) });
      }
    }
  };

  const isDue = (thread: string, study: Pending, all: boolean, now: number): boolean => {
    if (all) return true;
    const pace = paces.get(thread);
    if (pace !== undefined && now - pace.settledAt < pace.intervalMs) return false;
    return woken || now - study.seenAt >= settings.quietMs;
  };

  /** One more settling soon after the last doubles the wait; a quiet study starts again at the shortest. */
  const keepPace = (thread: string, now: number): void => {
    const before = paces.get(thread);
    const growing = before !== undefined && now - before.settledAt < 4 * before.intervalMs;
    const intervalMs = growing ? Math.min(before.intervalMs * 2, settings.maxIntervalMs) : settings.minIntervalMs;
    remember(paces, thread, { settledAt: now, intervalMs }, KEPT_STUDIES * 16);
  };

  /** True when the study is done with: settled, or given up. */
  const attempt = async (thread: string, study: Pending): Promise<boolean> => {
    try {
      await settle(thread);
      return true;
    } catch (thrown) {
      known.delete(thread);
      const error = asGatewayError(thrown);
      study.attempts += 1;
      const giveUp = !RETRYABLE.has(error.code) && study.attempts >= MAX_ATTEMPTS;
      deps.log.error({
        event: giveUp ? 'studies.given-up' : 'studies.failed',
        code: error.code,
        count: study.attempts,
        leaf: study.first,
        ...describeError(error),
      });
      return giveUp;
    }
  };

  const round = async (all: boolean): Promise<void> => {
    await scan();
    const now = deps.clock.now();
    for (const [thread, study] of pending) {
      if (!isDue(thread, study, all, now)) continue;
      const done = await attempt(thread, study);
      keepPace(thread, deps.clock.now());
      // Instances that came in the meantime are behind `scanned`: the next scan finds the study again.
      if (done) pending.delete(thread);
    }
    woken = pending.size > 0 && woken;
    let behind = scanned ?? (0 as LeafIndex);
    for (const { first } of pending.values()) if (first < behind) behind = first;
    if (behind !== saved) await deps.cursors.save(STUDIES_FOLLOWER, (saved = behind));
  };

  /** Rounds never overlap. */
  const run = (all: boolean): Promise<void> => {
    running = running.then(async () => {
      if (closed && !all) return;
      try {
        await round(all);
      } catch (thrown) {
        const error = asGatewayError(thrown);
        deps.log.error({ event: 'studies.failed', code: error.code, ...describeError(error) });
      }
    });
    return running;
  };

  const schedule = (): void => {
    if (closed) return;
    clearTimeout(timer);
    const wait = pending.size > 0 ? Math.min(settings.minIntervalMs, settings.pollMs) : settings.pollMs;
    timer = setTimeout(() => void run(false).then(schedule), wait);
    timer.unref();
  };
  void run(false).then(schedule);

  return {
    wake() {
      woken = true;
      void run(false).then(schedule);
    },
    settleAll: () => run(true),
    async close() {
      closed = true;
      clearTimeout(timer);
      await running;
    },
  };
}
