/**
 * The composition root, with `app/`: the only place that constructs pools, keys, stores, services and listeners, from the
 * bottom up, and takes them down in reverse. Everything below receives what it needs as arguments.
 */
import { join } from 'node:path';
import type { Config } from './config/config.ts';
import { systemClock } from './core/clock.ts';
import { type Log } from './core/log.ts';
import { systemRandom } from './core/random.ts';
import { messageRoutes } from './edge/http/admin/messages.ts';
import { sourceRoutes } from './edge/http/admin/sources.ts';
import { healthMetrics } from './edge/http/health-metrics.ts';
import { createMetrics } from './edge/http/metrics.ts';
import { movesMetrics } from './edge/http/moves-metrics.ts';
import { renewalMetrics } from './edge/http/renewal-metrics.ts';
import { startSweep, SWEEP_DEFAULTS } from './followers/sweep.ts';
import { guardIntake } from './services/guard-intake.ts';
import { movingDocuments } from './services/move-documents.ts';
import { openFileBlobStore } from './storage/blobs/fs.ts';
import { isBlobNamed } from './storage/pg/follower-store.ts';
import { keyProviderOf, keysOf, openDatabase, openWriting, watchDisk } from './app/database.ts';
import { startHttp } from './app/http.ts';
import { hl7v2Events, startDimse, startMllp, startStudies } from './app/intake.ts';
import { startIntakeThreads } from './app/intake-threads.ts';
import { messageCare, watchQuarantine } from './app/messages.ts';
import { startMoves } from './app/moves.ts';
import { openNetwork } from './app/network.ts';
import { keysThatAreThere, newKeys } from './app/open-keys.ts';
import { startRenewal, watchKeys } from './app/renew-keys.ts';
import { watchProtections } from './app/protections.ts';
import { openSources, sourceKeeper } from './app/sources.ts';
import { Teardown } from './app/teardown.ts';
import { watchDatabase } from './app/watch-database.ts';
import { readVersion } from './config/version.ts';

export interface Gateway {
  readonly addresses: { readonly http: string; readonly mllp: string; readonly dicom: string };
  /** Which database, in a few words without secrets. */
  readonly database: string;
  /** What the operator has to know: protections that the database does not give. */
  readonly warnings: readonly string[];
  /** Resolves when the keys were rotated by another process: nothing can be written any more, and a new start takes the new keys. */
  readonly fenced: Promise<void>;
  /** Stops taking work, finishes what is in flight, closes everything in order. Idempotent. */
  close(): Promise<void>;
}

/** Resolves when every listener is open and the log can be written. On an error everything started is stopped again. */
export async function startGateway(config: Config, log: Log): Promise<Gateway> {
  const teardown = new Teardown(log);
  try {
    return await start(config, log, teardown);
  } catch (error) {
    await teardown.close();
    throw error;
  }
}

async function start(config: Config, log: Log, teardown: Teardown): Promise<Gateway> {
  const provider = keyProviderOf(config);
  const kept = await keysThatAreThere(provider);
  const database = await openDatabase(config, log, teardown);
  const { pool } = database;
  const { keySet: loaded } = kept ?? (await newKeys(provider, pool, config.keyFile));
  const keys = await keysOf(loaded, pool);
  const blobs = await openFileBlobStore(join(config.dataDir, 'blobs'));
  const metrics = createMetrics();
  const unprotected = await watchProtections(database, metrics, log, teardown);
  const watched = watchDatabase(database, log, teardown);
  const disk = await watchDisk(config, log, teardown);
  const network = await openNetwork({ config, keys, pool, blobs, hasRoom: disk.hasRoom, metrics, log, teardown });
  let fence = (): void => {};
  const fenced = new Promise<void>((resolve) => (fence = resolve));
  const opened = await openWriting(config, keys, pool, metrics, log, network, fence);
  teardown.add('commits', () => opened.committer.idle());
  network.commitBy(opened.committer);
  watchKeys({ keys, pool, teardown }, fence);
  startRenewal({ keys, provider, pool, opened, metrics: renewalMetrics(metrics.registry), log, teardown });
  const isNamed = (digest: Uint8Array): Promise<boolean> => isBlobNamed(pool, digest);
  const documents = movingDocuments({ blobs, isBlobNamed: isNamed, random: systemRandom }, opened.writer);
  const writer = guardIntake(documents, disk.hasRoom);
  const sources = await openSources(config, { pool, keyring: opened.keyring, log });
  teardown.add('sources', async () => sources.close());
  const care = messageCare({ pool, keyring: opened.keyring, writer, sources, log });
  await watchQuarantine(pool, metrics, log, teardown);

  const refresh = (): Promise<void> => sources.refresh();
  let listening = false;
  const checks = (): Readonly<Record<string, boolean>> => ({
    database: database.isUp() && watched.answers(),
    disk: disk.hasRoom(),
    listeners: listening,
    history: network.gate.state() !== 'rolled-back',
  });
  healthMetrics(metrics.registry, {
    checks,
    freeBytes: disk.freeBytes,
    certificates: certificatesOf(config),
    version: readVersion(),
  });
  const http = await startHttp({
    config,
    log,
    keys,
    pool,
    blobs,
    metrics,
    opened,
    writer,
    network,
    adminRoutes: [
      ...messageRoutes({ ...care, levelOf: (leaf) => network.peers.levels.of(leaf) }),
      ...sourceRoutes({ ...sourceKeeper(config, { pool, keys, ...opened }), refresh }),
    ],
    ready: checks,
  });
  teardown.add('http', () => http.close(config.limits.shutdownMs));
  const threads = await startIntakeThreads({
    start: { ...database.access, config, keys },
    count: config.intakeThreads,
    committer: opened.committer,
    hasRoom: disk.hasRoom,
    events: hl7v2Events(metrics),
    log,
  });
  if (threads !== undefined) teardown.add('intake', () => threads.close());
  const mllp = await startMllp(config, log, metrics, writer, sources, threads);
  teardown.add('mllp', () => mllp.close());
  const studies = startStudies(config, log, pool, opened, writer, sources);
  teardown.add('studies', () => studies.close());
  const dimse = await startDimse(config, log, pool, blobs, writer, sources, studies, metrics);
  teardown.add('dimse', () => dimse.close());
  const moves = startMoves(pool, opened.keyring, writer, movesMetrics(metrics.registry), log);
  teardown.add('moves', () => moves.close());
  const sweep = startSweep({ blobs, isBlobNamed: isNamed, clock: systemClock, log }, SWEEP_DEFAULTS);
  teardown.add('sweep', () => sweep.close());
  teardown.add('readiness', async () => {
    listening = false;
  });
  listening = true;
  return {
    addresses: {
      http: config.publicUrl ?? http.url,
      mllp: `${config.mllp.host}:${mllp.port}`,
      dicom: `${config.dicom.host}:${dimse.port}`,
    },
    database: database.description,
    warnings: unprotected.map(({ name, without }) => `WARNING: not protected (${name}): ${without}.`),
    fenced,
    close: () => teardown.close(),
  };
}

/** Of the listeners that have one. */
function certificatesOf(config: Config): Readonly<Record<string, Buffer>> {
  const found: Record<string, Buffer> = {};
  for (const name of ['http', 'mllp', 'dicom'] as const) {
    const { tls } = config[name];
    if (tls !== undefined) found[name] = tls.cert;
  }
  return found;
}
