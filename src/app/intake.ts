/** The listeners that take messages and objects in, with the follower that settles studies. */
import type { TlsOptions } from 'node:tls';
import type { Config, ListenerConfig } from '../config/config.ts';
import { systemClock } from '../core/clock.ts';
import { asGatewayError } from '../core/errors.ts';
import { type Log } from '../core/log.ts';
import { systemRandom } from '../core/random.ts';
import { startDimseListener, type DimseDeps, type DimseListener } from '../edge/dimse/listener.ts';
import { DIMSE_DEFAULTS } from '../edge/dimse/settings.ts';
import { type GatewayMetrics } from '../edge/http/metrics.ts';
import { startMllpListener, type MllpListener } from '../edge/mllp/listener.ts';
import { MLLP_DEFAULTS } from '../edge/mllp/settings.ts';
import { startStudiesFollower, STUDIES_DEFAULTS, type StudiesFollower } from '../followers/studies.ts';
import type { DicomSource } from '../normalize/dicom/source.ts';
import type { BlobStore } from '../record/blob-store.ts';
import { acceptHl7v2, refuseHl7v2, type AcceptHl7v2Deps } from '../services/accept-hl7v2.ts';
import { messagesOfThread } from '../services/instance-feed.ts';
import type { SourceRegistry } from '../services/source-registry.ts';
import type { Sources } from '../services/sources.ts';
import { storeInstance, type StoreInstanceDeps } from '../services/store-instance.ts';
import { cursorStore, isBlobNamed, threadStore } from '../storage/pg/follower-store.ts';
import { type Pool } from '../storage/pg/pool.ts';
import { type OpenedWriter } from '../write/open-writer.ts';
import type { Writer } from '../write/submission.ts';
import type { IntakeEvents, IntakeThreads } from './intake-threads.ts';

/** What happens to messages, as metrics. */
export function hl7v2Events(metrics: GatewayMetrics): IntakeEvents {
  return {
    observe: (outcome, seconds) => metrics.message('hl7v2', outcome, seconds),
    onQuarantined: (reason) => metrics.quarantined(reason),
  };
}

/** `threads`: what takes the messages in; undefined: the main thread does. */
export async function startMllp(
  config: Config,
  log: Log,
  metrics: GatewayMetrics,
  writer: Writer,
  sources: Sources,
  threads: IntakeThreads | undefined,
): Promise<MllpListener> {
  const deps: AcceptHl7v2Deps = {
    writer,
    clock: systemClock,
    random: systemRandom,
    log,
    sources,
    ...hl7v2Events(metrics),
  };
  const listener = await startMllpListener(
    {
      accept: (bytes, client) =>
        threads?.takes(bytes.length) !== true
          ? acceptHl7v2(deps, bytes, client)
          : threads.accept(bytes, client).catch((error: unknown) => refuseHl7v2(deps, bytes, asGatewayError(error))),
      refuse: (head, error) => refuseHl7v2(deps, head, error),
      log,
      observe: (incident) => metrics.mllpIncident(incident),
    },
    {
      ...MLLP_DEFAULTS,
      ...socketOf(config.mllp),
      maxConnections: config.limits.mllpConnections,
      maxMessageBytes: config.limits.hl7MessageBytes,
      maxBufferedBytes: Math.max(MLLP_DEFAULTS.maxBufferedBytes, 2 * config.limits.hl7MessageBytes),
      idleMs: config.limits.idleMs,
      drainMs: config.limits.shutdownMs,
    },
  );
  metrics.watchMllp(listener);
  return listener;
}

/** Reads the profile whenever it is asked: a new version holds from the next object on. */
function dicomSource(config: Config, sources: Pick<SourceRegistry, 'fallback'>): DicomSource {
  return {
    name: config.source.name,
    get profile() {
      return sources.fallback();
    },
    fallbackCharacterSet: undefined,
  };
}

export function startStudies(
  config: Config,
  log: Log,
  pool: Pool,
  opened: OpenedWriter,
  writer: Writer,
  sources: Pick<SourceRegistry, 'fallback'>,
): StudiesFollower {
  const threads = threadStore(pool);
  return startStudiesFollower(
    {
      feed: {
        after: (from, limit) => threads.after(from, limit),
        ofThread: (permit, thread, from) => messagesOfThread(threads, opened.keyring, permit, thread, from),
      },
      cursors: cursorStore(pool),
      writer,
      clock: systemClock,
      log,
      source: dicomSource(config, sources),
    },
    STUDIES_DEFAULTS,
  );
}

export async function startDimse(
  config: Config,
  log: Log,
  pool: Pool,
  blobs: BlobStore,
  writer: Writer,
  sources: Pick<SourceRegistry, 'fallback'>,
  studies: StudiesFollower,
  metrics: GatewayMetrics,
): Promise<DimseListener> {
  const deps: StoreInstanceDeps = {
    blobs,
    writer,
    isBlobNamed: (digest) => isBlobNamed(pool, digest),
    random: systemRandom,
    clock: systemClock,
    source: dicomSource(config, sources),
  };
  const observe: DimseDeps['observe'] = (outcome, seconds) => metrics.message('dicom', outcome, seconds);
  return startDimseListener(
    { storeInstance: (instance) => storeInstance(deps, instance), log, onStudies: () => studies.wake(), observe },
    {
      ...DIMSE_DEFAULTS,
      ...socketOf(config.dicom),
      maxAssociations: config.limits.dicomAssociations,
      maxObjectBytes: config.limits.dicomObjectBytes,
      idleMs: config.limits.idleMs,
      drainMs: config.limits.shutdownMs,
    },
  );
}

/** Address, port and TLS options of a socket listener; with an authority, clients must show a certificate of it. */
function socketOf(listener: ListenerConfig): {
  readonly host: string;
  readonly port: number;
  readonly tls?: TlsOptions;
} {
  const { host, port, tls } = listener;
  if (tls === undefined) return { host, port };
  const mutual = tls.ca === undefined ? {} : { ca: tls.ca, requestCert: true, rejectUnauthorized: true };
  return { host, port, tls: { cert: tls.cert, key: tls.key, minVersion: 'TLSv1.2', ...mutual } };
}
