/**
 * Threads that take HL7 v2 messages in (`intake.worker.ts`), so that conversion, sealing and indexing use more than one core and a
 * long message never holds up the listeners. The main thread keeps the sockets and the line of commits.
 */
import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type pg from 'pg';
import type { Config } from '../config/config.ts';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import { describeError, type Log, type LogFields } from '../core/log.ts';
import type { KeySet } from '../keys/key-set.ts';
import type { AcceptHl7v2Deps } from '../services/accept-hl7v2.ts';
import type { ClientCertificate } from '../services/sources.ts';
import type { PoolSettings } from '../storage/pg/pool.ts';
import type { GroupCommitter } from '../write/group-commit.ts';
import type { PackedItem } from '../write/ports.ts';
import { threadChannel, type ThreadChannel } from './thread-channel.ts';

/** A message of more bytes than this goes to the thread for long messages: behind it others would wait. */
const LONG_BYTES = 256 * 1024;
/** Young generation of a thread, megabytes: with the default a fifth of its time goes into copying what soon dies. */
const YOUNG_MB = 96;
/** Wait before a thread that died is started again, milliseconds. */
const RESTART_MS = 500;

/** What a thread is started with. Survives structured cloning, key objects included. */
export interface IntakeStart {
  readonly config: Config;
  readonly login: pg.PoolConfig;
  readonly pool: PoolSettings;
  readonly keys: KeySet;
  /** Messages wait for each other, in batches: for all but long ones. */
  readonly inBatches: boolean;
}

/** One message or batch. `bytes` is moved to the thread. */
export interface IntakeCall {
  readonly bytes: Uint8Array;
  readonly client: ClientCertificate | undefined;
}

export type IntakeEvents = Required<Pick<AcceptHl7v2Deps, 'observe' | 'onQuarantined'>>;

export interface IntakeThreadsDeps {
  readonly start: Omit<IntakeStart, 'inBatches'>;
  /** Threads for ordinary messages, 0 for none; one more begins with the first long message. */
  readonly count: number;
  readonly committer: Pick<GroupCommitter, 'commit'>;
  readonly hasRoom: () => boolean;
  readonly events: IntakeEvents;
  readonly log: Log;
}

export interface IntakeThreads {
  /** True when a message of so many bytes is for a thread; else it is taken in where the caller is. */
  takes(bytes: number): boolean;
  /** As `acceptHl7v2`, in a thread. Rejects with `unavailable` when the thread dies meanwhile. */
  accept(bytes: Buffer, client: ClientCertificate | undefined): Promise<readonly Buffer[]>;
  /** Ends the threads; what they were doing is not acknowledged. */
  close(): Promise<void>;
}

/** The entry of a thread; absent where the product runs from its sources (tests). */
const ENTRY = new URL('./intake.worker.js', import.meta.url);

/** Resolves when the threads are ready; undefined where there can be none. Rejects when one does not start. */
export async function startIntakeThreads(deps: IntakeThreadsDeps): Promise<IntakeThreads | undefined> {
  if (!existsSync(ENTRY)) return undefined;
  const ordinary = await Promise.all(Array.from({ length: deps.count }, () => startThread(deps, true)));
  let long: Promise<IntakeThread> | undefined;
  const longThread = (): Promise<IntakeThread> =>
    (long ??= startThread(deps, false).catch((error: unknown) => {
      // The next long message tries again.
      long = undefined;
      throw error;
    }));
  return {
    takes: (bytes) => ordinary.length > 0 || bytes > LONG_BYTES,
    async accept(bytes, client) {
      const threads = bytes.length > LONG_BYTES ? [await longThread()] : ordinary;
      const idlest = threads.reduce((best, thread) => (thread.busy() < best.busy() ? thread : best));
      return idlest.accept(bytes, client);
    },
    async close() {
      const all = [...ordinary, ...(long === undefined ? [] : [await long])];
      await Promise.all(all.map((thread) => thread.close()));
    },
  };
}

interface IntakeThread {
  /** Messages under way. */
  busy(): number;
  accept(bytes: Buffer, client: ClientCertificate | undefined): Promise<readonly Buffer[]>;
  close(): Promise<void>;
}

interface Running {
  readonly worker: Worker;
  readonly channel: ThreadChannel;
  /** Resolves when the thread takes messages, rejects when it died before. */
  readonly ready: Promise<void>;
}

/** One thread; a new one takes its place when it dies. */
async function startThread(deps: IntakeThreadsDeps, inBatches: boolean): Promise<IntakeThread> {
  const workerData: IntakeStart = { ...deps.start, inBatches };
  let busy = 0;
  let closing = false;
  let restart: NodeJS.Timeout | undefined;

  const run = (): Running => {
    const worker = new Worker(ENTRY, {
      workerData,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    });
    let isReady = (): void => {};
    let diedEarly = (_error: GatewayError): void => {};
    const ready = new Promise<void>((resolve, reject) => {
      isReady = resolve;
      diedEarly = reject;
    });
    ready.catch(() => {});
    const handlers = {
      ready: () => isReady(),
      log: ({ level, fields }: { readonly level: keyof Log; readonly fields: LogFields }) => deps.log[level](fields),
      observe: (seen: Parameters<IntakeEvents['observe']>) => deps.events.observe(...seen),
      quarantined: (reason: Parameters<IntakeEvents['onQuarantined']>[0]) => deps.events.onQuarantined(reason),
      commit: (item: PackedItem) => {
        if (!deps.hasRoom()) {
          throw new GatewayError(
            'storage-full',
            'the disk is below its free-space floor; nothing is taken until there is room',
          );
        }
        return deps.committer.commit(item);
      },
    };
    const channel = threadChannel(worker, handlers, asGatewayError);
    worker.on('error', (error) => deps.log.error({ event: 'intake-thread-failed', ...describeError(error) }));
    worker.on('exit', () => {
      const died = new GatewayError('unavailable', 'the thread that took the message in has ended; send it again');
      channel.break(died);
      diedEarly(died);
      if (closing) return;
      restart = setTimeout(() => (current = run()), RESTART_MS);
    });
    return { worker, channel, ready };
  };

  let current = run();
  await current.ready.catch((error: unknown) => {
    closing = true;
    clearTimeout(restart);
    throw error;
  });
  return {
    busy: () => busy,
    async accept(bytes, client) {
      busy += 1;
      try {
        const own = new Uint8Array(bytes);
        const call: IntakeCall = { bytes: own, client };
        const answers = (await current.channel.call('accept', call, [own.buffer])) as readonly Uint8Array[];
        return answers.map((answer) => Buffer.from(answer.buffer, answer.byteOffset, answer.length));
      } finally {
        busy -= 1;
      }
    },
    async close() {
      closing = true;
      clearTimeout(restart);
      await current.worker.terminate();
    },
  };
}
