/**
 * The FHIR endpoint over real sockets and a database of its own: writer, services, router, listener, tokens of the built-in
 * issuer. For tests that need nothing of the other protocols.
 */
import { Router } from 'express';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_POLICY } from '../../src/consent/policy.ts';
import { systemClock, type Clock } from '../../src/core/clock.ts';
import { silentLog } from '../../src/core/log.ts';
import { systemRandom } from '../../src/core/random.ts';
import { httpApp } from '../../src/edge/http/app.ts';
import { bearerAuthentication } from '../../src/edge/http/authenticate.ts';
import { fhirRouter, type FhirLimits } from '../../src/edge/http/fhir/router.ts';
import { startHttpListener } from '../../src/edge/http/listener.ts';
import { ownIssuer } from '../../src/identity/own-issuer.ts';
import { issueToken, type TokenRequest } from '../../src/identity/sign-token.ts';
import { createTokenVerifier } from '../../src/identity/verify-token.ts';
import type { BlobStore } from '../../src/record/blob-store.ts';
import { fhirServices } from '../../src/services/fhir-services.ts';
import { movingDocuments } from '../../src/services/move-documents.ts';
import { readLedger } from '../../src/services/read-ledger.ts';
import { openFileBlobStore } from '../../src/storage/blobs/fs.ts';
import { isBlobNamed } from '../../src/storage/pg/follower-store.ts';
import { ledgerReader } from '../../src/storage/pg/ledger-reader.ts';
import { messageStore } from '../../src/storage/pg/message-store.ts';
import { recordStore } from '../../src/storage/pg/record-store.ts';
import type { AccessWriter } from '../../src/write/writer.ts';
import { ORIGIN, openTestWriter, type TestWriter } from './writer.ts';

export interface FhirGateway {
  /** Base of the FHIR endpoint. */
  readonly base: string;
  readonly url: string;
  readonly writer: TestWriter;
  readonly blobs: BlobStore;
  token(request: Partial<TokenRequest> & Pick<TokenRequest, 'role'>): Promise<string>;
  /** A client with the token of a practitioner of this institution. */
  readonly practitioner: Client;
  as(request: Partial<TokenRequest> & Pick<TokenRequest, 'role'>): Promise<Client>;
  close(): Promise<void>;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON; undefined for an empty body. Loose on purpose: tests look into it. */
  readonly body: any;
  readonly text: string;
}

export interface Client {
  (method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
}

const AUDIENCE = 'https://test.example/anamnesis';

export async function startFhirGateway(
  options: {
    readonly limits?: Partial<FhirLimits>;
    readonly clock?: Clock;
    /** Another process of the same gateway: same database, same keys. */
    readonly beside?: FhirGateway;
    /** Stands between the services and the access writer. */
    readonly recordAccess?: (real: AccessWriter['recordAccess']) => AccessWriter['recordAccess'];
  } = {},
): Promise<FhirGateway> {
  const clock = options.clock ?? systemClock;
  const { beside } = options;
  const shared = beside === undefined ? {} : { database: beside.writer.database, keys: beside.writer.keys };
  const writer = await openTestWriter(shared);
  const anchored: AccessWriter['recordAccess'] = (record) => writer.writer.recordAccess(record);
  const recordAccess = options.recordAccess?.(anchored) ?? anchored;
  const issuerKeys = writer.keys.issuer;
  const verifier = createTokenVerifier({ issuers: [ownIssuer(ORIGIN, issuerKeys)], audience: AUDIENCE }, clock);
  const limits = { bodyBytes: 16 * 1024 * 1024, entries: 5000, count: 500, requestMs: 60_000, ...options.limits };
  const folder = await mkdtemp(join(tmpdir(), 'anamnesis-blobs-'));
  const blobs = beside?.blobs ?? (await openFileBlobStore(folder));
  const moving = movingDocuments(
    { blobs, isBlobNamed: (digest) => isBlobNamed(writer.pool, digest), random: systemRandom },
    writer.writer,
  );
  const services = fhirServices({
    records: recordStore(writer.pool),
    messages: messageStore(writer.pool),
    blobs,
    keyring: writer.keyring,
    writer: { ...moving, recordAccess },
    clock,
    random: systemRandom,
    policy: DEFAULT_POLICY,
    origin: ORIGIN,
    maxCount: limits.count,
  });
  let url = '';
  const app = httpApp({
    random: systemRandom,
    log: silentLog,
    measure: (_request, _response, next) => next(),
    health: Router(),
    ledger: Router(),
    auth: Router(),
    api: Router(),
    fhir: fhirRouter({
      services,
      ledger: readLedger({
        reader: ledgerReader(writer.pool),
        origin: ORIGIN,
        logPublicKey: writer.keys.log.rawPublicKey,
      }),
      authenticate: bearerAuthentication(verifier),
      base: () => `${url}/fhir`,
      facts: { version: '0.0.0', origin: ORIGIN, started: '2026-01-01T00:00:00Z' },
      limits,
      log: silentLog,
    }),
  });
  const listener = await startHttpListener(
    app,
    { listener: { host: '127.0.0.1', port: 0 }, maxConnections: 4096, requestMs: 60_000 },
    silentLog,
  );
  url = listener.url;
  const token: FhirGateway['token'] = (request) =>
    issueToken(
      { origin: ORIGIN, audience: AUDIENCE, key: issuerKeys },
      { subject: 'dr-test', ...request },
      clock,
      systemRandom,
    );
  const as: FhirGateway['as'] = async (request) => clientOf(`${url}/fhir`, await token(request));
  return {
    base: `${url}/fhir`,
    url,
    writer,
    blobs,
    token,
    as,
    practitioner: await as({ role: 'practitioner' }),
    async close() {
      await listener.close(1000);
      await rm(folder, { recursive: true });
      await writer.close();
    },
  };
}

/** A client that sends this token. Paths are relative to the base; whole URLs are taken as they are. */
export function clientOf(base: string, token: string): Client {
  return async (method, path, body, headers = {}) => {
    const response = await fetch(path.startsWith('http') ? path : `${base}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/fhir+json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: text.startsWith('{') ? JSON.parse(text) : undefined,
    };
  };
}
