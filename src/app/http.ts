/** The HTTP listener with all that is served through it. */
import { readFile } from 'node:fs/promises';
import type { Config, TrustedIssuer } from '../config/config.ts';
import { systemClock } from '../core/clock.ts';
import { type Log } from '../core/log.ts';
import { systemRandom } from '../core/random.ts';
import { measureRequests, type GatewayMetrics } from '../edge/http/metrics.ts';
import type { KeySet } from '../keys/key-set.ts';
import type { BlobStore } from '../record/blob-store.ts';
import { type Pool } from '../storage/pg/pool.ts';
import { type OpenedWriter } from '../write/open-writer.ts';
import type { Writer } from '../write/submission.ts';
import { policyOf } from '../consent/policy.ts';
import { remoteKeys } from '../clients/jwks.ts';
import { httpApp } from '../edge/http/app.ts';
import type { AdminRoute } from '../edge/http/admin/call.ts';
import { adminRouter } from '../edge/http/admin/router.ts';
import { apiRouter } from '../edge/http/api/router.ts';
import { authRouter } from '../edge/http/auth/router.ts';
import { bearerAuthentication } from '../edge/http/authenticate.ts';
import { fhirRouter } from '../edge/http/fhir/router.ts';
import { healthRouter } from '../edge/http/health.ts';
import { ledgerRouter } from '../edge/http/ledger/router.ts';
import { ledgerPeerRouter } from '../edge/http/peer/ledger-peer-router.ts';
import { mirrorRouter } from '../edge/http/peer/mirror-router.ts';
import { witnessRouter } from '../edge/http/peer/witness-router.ts';
import { startHttpListener, type HttpListener } from '../edge/http/listener.ts';
import { ROLES } from '../identity/claims.ts';
import { ownIssuer, ownJwks } from '../identity/own-issuer.ts';
import { createTokenVerifier, EXTERNAL_ALGORITHMS, type TokenIssuer } from '../identity/verify-token.ts';
import { fhirServices } from '../services/fhir-services.ts';
import { readLedger } from '../services/read-ledger.ts';
import { ledgerReader } from '../storage/pg/ledger-reader.ts';
import { messageStore } from '../storage/pg/message-store.ts';
import { recordStore } from '../storage/pg/record-store.ts';
import type { AccessWriter } from '../write/writer.ts';
import { ADD_CHECKPOINT_MAX_BYTES } from '../ledger/witness-message.ts';
import type { Network } from './network.ts';
import { readVersion } from '../config/version.ts';

/** Beside `src` and `dist`. */
const OPENAPI = new URL('../../openapi/anamnesis.yaml', import.meta.url);

export interface HttpParts {
  readonly config: Config;
  readonly log: Log;
  readonly keys: KeySet;
  readonly pool: Pool;
  readonly blobs: BlobStore;
  readonly metrics: GatewayMetrics;
  readonly opened: OpenedWriter;
  readonly writer: Writer & AccessWriter;
  readonly network: Network;
  readonly adminRoutes: readonly AdminRoute[];
  readonly ready: () => Readonly<Record<string, boolean>>;
}

export async function startHttp(parts: HttpParts): Promise<HttpListener> {
  const { config, log, keys, pool, metrics, opened, writer, network } = parts;
  const { peers } = network;
  const records = recordStore(pool);
  const { keyring } = opened;
  const services = fhirServices({
    records,
    messages: messageStore(pool),
    blobs: parts.blobs,
    keyring,
    writer,
    clock: systemClock,
    random: systemRandom,
    policy: policyOf(config.ownOrganizations, () => [`${url}/fhir`]),
    origin: config.origin,
    maxCount: config.limits.searchCount,
  });
  const issuers = [
    ownIssuer(config.origin, keys.issuer, keys.history.issuer, systemClock),
    ...config.trustedIssuers.map(externalIssuer),
  ];
  const verifier = createTokenVerifier({ issuers, audience: config.tokenAudience }, systemClock);
  let url = config.publicUrl ?? '';
  const ledger = readLedger({
    reader: ledgerReader(pool),
    origin: config.origin,
    logPublicKey: keys.log.rawPublicKey,
    published: network.published,
  });
  const app = httpApp({
    random: systemRandom,
    log,
    measure: measureRequests(metrics, log),
    health: healthRouter({ checks: parts.ready, registry: metrics.registry }),
    fhir: fhirRouter({
      services,
      ledger,
      levels: peers.levels,
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
    admin: adminRouter({ authenticate: bearerAuthentication(verifier), routes: parts.adminRoutes, log }),
    ledger: ledgerRouter({ ledger, levels: peers.levels, waitMs: config.limits.requestMs / 2, log }),
    peers: {
      witness: witnessRouter({ witness: peers.witness, maxBytes: ADD_CHECKPOINT_MAX_BYTES }),
      mirror: mirrorRouter({ peers, maxBytes: ADD_CHECKPOINT_MAX_BYTES }),
      ledger: ledgerPeerRouter(peers),
    },
    auth: authRouter({
      jwks: ownJwks(
        keys.issuer,
        keys.history.issuer.filter(({ until }) => systemClock.now() < until),
      ),
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

/** Another institution speaks for its practitioners alone; whoever speaks for this one, for everybody. */
function externalIssuer({ issuer, jwksUri, ownInstitution }: TrustedIssuer): TokenIssuer {
  return {
    issuer,
    ownInstitution,
    roles: ownInstitution ? ROLES : ['practitioner'],
    algorithms: EXTERNAL_ALGORITHMS,
    types: ['at+jwt', 'jwt', ''],
    keys: remoteKeys(jwksUri),
  };
}
