/**
 * The composition root: the only place that constructs pools, keys, stores, services and listeners, from the bottom up, and
 * takes them down in reverse. Everything below receives what it needs as arguments.
 */
import { readFile, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { TlsOptions } from 'node:tls';
import type { Config, ListenerConfig, TrustedIssuer } from './config/config.ts';
import { systemClock } from './core/clock.ts';
import { describeError, type Log } from './core/log.ts';
import { systemRandom } from './core/random.ts';
import { startDimseListener, type DimseDeps, type DimseListener } from './edge/dimse/listener.ts';
import { DIMSE_DEFAULTS } from './edge/dimse/settings.ts';
import { createMetrics, measureRequests, type GatewayMetrics } from './edge/http/metrics.ts';
import { startMllpListener, type MllpListener } from './edge/mllp/listener.ts';
import { MLLP_DEFAULTS } from './edge/mllp/settings.ts';
import { startSweep, SWEEP_DEFAULTS } from './followers/sweep.ts';
import { startStudiesFollower, STUDIES_DEFAULTS, type StudiesFollower } from './followers/studies.ts';
import type { KeySet } from './keys/key-set.ts';
import type { DicomSource } from './normalize/dicom/source.ts';
import { makeSourceProfile, type SourceProfile } from './normalize/hl7v2/source-profile.ts';
import type { BlobStore } from './record/blob-store.ts';
import { acceptHl7v2, refuseHl7v2, type AcceptHl7v2Deps } from './services/accept-hl7v2.ts';
import { guardIntake } from './services/guard-intake.ts';
import { messagesOfThread } from './services/instance-feed.ts';
import { storeInstance, type StoreInstanceDeps } from './services/store-instance.ts';
import { openFileBlobStore } from './storage/blobs/fs.ts';
import { startEmbeddedPostgres } from './storage/embedded-postgres/embedded-postgres.ts';
import { fileKeyProvider } from './storage/key-file.ts';
import { commitStore } from './storage/pg/commit-store.ts';
import { cursorStore, isBlobNamed, threadStore } from './storage/pg/follower-store.ts';
import { migrate } from './storage/pg/migrate.ts';
import { openLog } from './storage/pg/open-log.ts';
import { openPool, type Pool } from './storage/pg/pool.ts';
import { keyStore, prepareStore } from './storage/pg/prepare-store.ts';
import { openWriter, type OpenedWriter } from './write/open-writer.ts';
import type { Writer } from './write/submission.ts';
import { DEFAULT_POLICY } from './consent/policy.ts';
import { remoteKeys } from './clients/jwks.ts';
import { httpApp } from './edge/http/app.ts';
import { apiRouter } from './edge/http/api/router.ts';
import { authRouter } from './edge/http/auth/router.ts';
import { bearerAuthentication } from './edge/http/authenticate.ts';
import { fhirRouter } from './edge/http/fhir/router.ts';
import { healthRouter } from './edge/http/health.ts';
import { ledgerRouter } from './edge/http/ledger/router.ts';
import { startHttpListener, type HttpListener } from './edge/http/listener.ts';
import { ROLES } from './identity/claims.ts';
import { ownIssuer, ownJwks } from './identity/own-issuer.ts';
import { createTokenVerifier, EXTERNAL_ALGORITHMS, type TokenIssuer } from './identity/verify-token.ts';
import { fhirServices } from './services/fhir-services.ts';
import { readLedger } from './services/read-ledger.ts';
import { ledgerReader } from './storage/pg/ledger-reader.ts';
import { recordStore } from './storage/pg/record-store.ts';
import type { AccessWriter } from './write/writer.ts';
import { readVersion } from './config/version.ts';

/** Beside `src` and `dist`. */
const OPENAPI = new URL('../openapi/anamnesis.yaml', import.meta.url);

export interface Gateway {
  readonly addresses: { readonly http: string; readonly mllp: string; readonly dicom: string };
  /** Which database, in a few words without secrets. */
  readonly database: string;
  /** Stops taking work, finishes what is in flight, closes everything in order. Idempotent. */
  close(): Promise<void>;
}

/** Takes the parts down in the reverse order of their start; every step runs even when one before it failed. */
class Teardown {
  readonly #steps: { readonly name: string; readonly run: () => Promise<void> }[] = [];
  #closing: Promise<void> | undefined;
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  add(name: string, run: () => Promise<void>): void {
    this.#steps.push({ name, run });
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#run());
  }

  async #run(): Promise<void> {
    for (const { name, run } of this.#steps.toReversed()) {
      await run().catch((error: unknown) => {
        this.#log.error({ event: 'stop-failed', kind: name, ...describeError(error) });
      });
    }
  }
}

/** How often the free space is looked at, milliseconds. */
const DISK_CHECK_MS = 5_000;
/** Milliseconds after which Postgres ends a statement of ours: none of them is long. */
const STATEMENT_TIMEOUT_MS = 60_000;

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
  const keys = await loadKeys(config);
  const database = await openDatabase(config, log, teardown);
  const { pool } = database;
  const migrated = await migrate(pool);
  if (migrated.length > 0) log.info({ event: 'migrated', count: migrated.length });
  const blobs = await openFileBlobStore(join(config.dataDir, 'blobs'));
  const metrics = createMetrics();
  const opened = await openWriting(config, keys, pool, metrics, log);
  teardown.add('commits', () => opened.committer.idle());
  const disk = await watchDisk(config, teardown);
  const writer = guardIntake(opened.writer, disk.hasRoom);
  const profile = makeSourceProfile(config.source);

  let stopping = false;
  const http = await startHttp({
    config,
    log,
    keys,
    pool,
    metrics,
    opened,
    writer,
    ready: () => ({ database: database.isUp(), disk: disk.hasRoom(), listeners: !stopping }),
  });
  teardown.add('http', () => http.close(config.limits.shutdownMs));
  const mllp = await startMllp(config, log, metrics, writer, profile);
  teardown.add('mllp', () => mllp.close());
  const studies = startStudies(config, log, pool, opened, writer, profile);
  teardown.add('studies', () => studies.close());
  const dimse = await startDimse(config, log, pool, blobs, writer, profile, studies, metrics);
  teardown.add('dimse', () => dimse.close());
  const isNamed = (digest: Uint8Array): Promise<boolean> => isBlobNamed(pool, digest);
  const sweep = startSweep({ blobs, isBlobNamed: isNamed, clock: systemClock, log }, SWEEP_DEFAULTS);
  teardown.add('sweep', () => sweep.close());
  teardown.add('readiness', async () => {
    stopping = true;
  });
  return {
    addresses: {
      http: config.publicUrl ?? http.url,
      mllp: `${config.mllp.host}:${mllp.port}`,
      dicom: `${config.dicom.host}:${dimse.port}`,
    },
    database: database.description,
    close: () => teardown.close(),
  };
}

async function loadKeys(config: Config): Promise<KeySet> {
  const passphrase = config.keyPassphraseFile === undefined ? {} : { passphraseFile: config.keyPassphraseFile };
  const provider = fileKeyProvider({ path: config.keyFile, ...passphrase, random: systemRandom });
  return (await provider.load({ create: true })).keySet;
}

interface Database {
  readonly pool: Pool;
  readonly description: string;
  readonly isUp: () => boolean;
}

async function openDatabase(config: Config, log: Log, teardown: Teardown): Promise<Database> {
  const settings = { max: config.databaseConnections, statementTimeoutMs: STATEMENT_TIMEOUT_MS };
  const onError = (error: Error): void => log.warn({ event: 'database-connection-lost', ...describeError(error) });
  const opened = (connection: Parameters<typeof openPool>[0]): Pool => {
    const pool = openPool(connection, settings, onError);
    teardown.add('pool', () => pool.end());
    return pool;
  };
  if (config.databaseUrl !== undefined) {
    const pool = opened({ connectionString: config.databaseUrl });
    return { pool, description: 'DATABASE_URL', isUp: () => true };
  }
  const postgres = await startEmbeddedPostgres({ dataDir: config.dataDir, log });
  teardown.add('postgres', () => postgres.stop());
  return {
    pool: opened({ ...postgres.connection }),
    description: `embedded Postgres in ${postgres.clusterDir}`,
    isUp: () => postgres.isUp(),
  };
}

async function openWriting(
  config: Config,
  keys: KeySet,
  pool: Pool,
  metrics: GatewayMetrics,
  log: Log,
): Promise<OpenedWriter> {
  const { secret } = await openLog(pool, config.origin, keys.fingerprint);
  return openWriter({
    origin: config.origin,
    keys,
    clock: systemClock,
    random: systemRandom,
    log,
    prepareStore: prepareStore(pool),
    keyStore: keyStore(pool),
    commitStore: commitStore(pool),
    sealedSecret: secret,
    onCommitted: ({ items, leaves, seconds }) => metrics.commit(items, leaves, seconds),
  });
}

/** Knows from memory whether the data directory has more free space than the floor. */
async function watchDisk(config: Config, teardown: Teardown): Promise<{ readonly hasRoom: () => boolean }> {
  let room = true;
  const look = async (): Promise<void> => {
    const { bavail, bsize } = await statfs(config.dataDir);
    room = bavail * bsize >= config.limits.freeDiskBytes;
  };
  await look();
  const timer = setInterval(() => void look().catch(() => {}), DISK_CHECK_MS).unref();
  teardown.add('disk', async () => clearInterval(timer));
  return { hasRoom: () => room };
}

async function startMllp(
  config: Config,
  log: Log,
  metrics: GatewayMetrics,
  writer: Writer,
  profile: SourceProfile,
): Promise<MllpListener> {
  const deps: AcceptHl7v2Deps = {
    writer,
    clock: systemClock,
    random: systemRandom,
    log,
    profile,
    observe: (outcome, seconds) => metrics.message('hl7v2', outcome, seconds),
  };
  return startMllpListener(
    { accept: (bytes) => acceptHl7v2(deps, bytes), refuse: (head, error) => refuseHl7v2(deps, head, error), log },
    {
      ...MLLP_DEFAULTS,
      ...socketOf(config.mllp),
      maxConnections: config.limits.mllpConnections,
      maxMessageBytes: config.limits.hl7MessageBytes,
      idleMs: config.limits.idleMs,
      drainMs: config.limits.shutdownMs,
    },
  );
}

function dicomSource(config: Config, profile: SourceProfile): DicomSource {
  return { name: config.source.name, profile, fallbackCharacterSet: undefined };
}

function startStudies(
  config: Config,
  log: Log,
  pool: Pool,
  opened: OpenedWriter,
  writer: Writer,
  profile: SourceProfile,
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
      source: dicomSource(config, profile),
    },
    STUDIES_DEFAULTS,
  );
}

async function startDimse(
  config: Config,
  log: Log,
  pool: Pool,
  blobs: BlobStore,
  writer: Writer,
  profile: SourceProfile,
  studies: StudiesFollower,
  metrics: GatewayMetrics,
): Promise<DimseListener> {
  const deps: StoreInstanceDeps = {
    blobs,
    writer,
    isBlobNamed: (digest) => isBlobNamed(pool, digest),
    random: systemRandom,
    clock: systemClock,
    source: dicomSource(config, profile),
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

interface HttpParts {
  readonly config: Config;
  readonly log: Log;
  readonly keys: KeySet;
  readonly pool: Pool;
  readonly metrics: GatewayMetrics;
  readonly opened: OpenedWriter;
  readonly writer: Writer & AccessWriter;
  readonly ready: () => Readonly<Record<string, boolean>>;
}

async function startHttp(parts: HttpParts): Promise<HttpListener> {
  const { config, log, keys, pool, metrics, opened, writer } = parts;
  const records = recordStore(pool);
  const { keyring } = opened;
  const services = fhirServices({
    records,
    keyring,
    writer,
    clock: systemClock,
    random: systemRandom,
    policy: DEFAULT_POLICY,
    origin: config.origin,
    maxCount: config.limits.searchCount,
  });
  const issuers = [ownIssuer(config.origin, keys.issuer), ...config.trustedIssuers.map(externalIssuer)];
  const verifier = createTokenVerifier({ issuers, audience: config.tokenAudience }, systemClock);
  let url = config.publicUrl ?? '';
  const ledger = readLedger({ reader: ledgerReader(pool), origin: config.origin, logPublicKey: keys.log.rawPublicKey });
  const app = httpApp({
    random: systemRandom,
    log,
    measure: measureRequests(metrics, log),
    health: healthRouter({ checks: parts.ready, registry: metrics.registry }),
    fhir: fhirRouter({
      services,
      ledger,
      authenticate: bearerAuthentication(verifier),
      base: () => `${url}/fhir`,
      facts: { version: readVersion(), origin: config.origin, started: new Date(systemClock.now()).toISOString() },
      limits: {
        bodyBytes: config.limits.fhirBodyBytes,
        entries: config.limits.fhirEntries,
        count: config.limits.searchCount,
        requestMs: config.limits.requestMs,
      },
      log,
    }),
    ledger: ledgerRouter({ ledger, log }),
    auth: authRouter({
      jwks: ownJwks(keys.issuer),
      resource: config.tokenAudience,
      externalIssuers: config.trustedIssuers.map(({ issuer }) => issuer),
    }),
    api: apiRouter({ openapi: await readFile(OPENAPI, 'utf8') }),
  });
  const settings = {
    listener: config.http,
    maxConnections: config.limits.httpConnections,
    requestMs: config.limits.requestMs,
  };
  const listener = await startHttpListener(app, settings, log);
  if (config.publicUrl === undefined) url = listener.url;
  return listener;
}

function externalIssuer({ issuer, jwksUri }: TrustedIssuer): TokenIssuer {
  return {
    issuer,
    ownInstitution: false,
    roles: ROLES,
    algorithms: EXTERNAL_ALGORITHMS,
    types: ['at+jwt', 'jwt', ''],
    keys: remoteKeys(jwksUri),
  };
}
