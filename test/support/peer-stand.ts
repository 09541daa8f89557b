/**
 * Witness and mirror as a gateway has them, over real sockets and on a real database, which can lose everything in memory at
 * any moment: for tests of what a crash in the middle of their work leaves. Every round trip to the database can be made to
 * fail, and so can every put of a blob.
 */
import express, { type NextFunction, type Request, type Response } from 'express';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { systemClock } from '../../src/core/clock.ts';
import { errorFromHttp } from '../../src/edge/http/http-errors.ts';
import { mirrorRouter } from '../../src/edge/http/peer/mirror-router.ts';
import { witnessRouter } from '../../src/edge/http/peer/witness-router.ts';
import { cosignerKey } from '../../src/ledger/cosignature.ts';
import type { VerifierKey } from '../../src/ledger/note.ts';
import { EMPTY_POLICY } from '../../src/ledger/policy.ts';
import { ADD_CHECKPOINT_MAX_BYTES } from '../../src/ledger/witness-message.ts';
import type { BlobStore } from '../../src/record/blob-store.ts';
import type { Equivocation } from '../../src/replication/accept-checkpoint.ts';
import { peerAuthenticator } from '../../src/replication/member.ts';
import { createMirror } from '../../src/replication/mirror.ts';
import { trustOf } from '../../src/replication/trust.ts';
import { createWitness } from '../../src/replication/witness.ts';
import { openBlobUploads } from '../../src/storage/blobs/uploads.ts';
import { openFileBlobStore } from '../../src/storage/blobs/fs.ts';
import { checkpointStore } from '../../src/storage/pg/checkpoint-store.ts';
import { mirrorRows, mirrorStore } from '../../src/storage/pg/mirror-store.ts';
import { openPool, type Pool } from '../../src/storage/pg/pool.ts';
import { memberStore } from '../../src/storage/pg/signature-store.ts';
import { noteSigner } from '../unit/ledger/support.ts';
import { PEER_ORIGIN } from './peer-gateway.ts';
import { createTestDatabase, type TestDatabase } from './postgres.ts';
import { failing, stepProxy, Steps } from './step-proxy.ts';

export interface PeerStand {
  readonly url: string;
  readonly database: TestDatabase;
  readonly steps: Steps;
  readonly blobs: BlobStore;
  readonly witnessKey: VerifierKey;
  readonly mirrorKey: VerifierKey;
  /** Equivocations that it has raised an alarm for. */
  readonly alarms: Equivocation[];
  /** Loses all memory and all connections, as a killed process does. */
  crash(): void;
  /** Forgets all logs, blobs and alarms. */
  reset(): Promise<void>;
  /** Runs SQL past the proxy, as a superuser. */
  query(sql: string): Promise<Record<string, unknown>[]>;
  close(): Promise<void>;
}

const TABLES = 'accepted_checkpoint equivocation mirror_log mirror_bundle mirror_tile mirror_document mirror_payload';
const MORE_TABLES = 'mirror_missing_blob mirror_block member';

export async function openPeerStand(logs: readonly VerifierKey[]): Promise<PeerStand> {
  const folder = mkdtempSync(join(tmpdir(), 'anamnesis-stand-'));
  const database = await createTestDatabase();
  const steps = new Steps();
  const proxy = await stepProxy(database.config, steps);
  const admin = new pg.Client(database.admin);
  await admin.connect();
  const blobs = await openFileBlobStore(join(folder, 'blobs'));
  const signers = { witness: noteSigner(`${PEER_ORIGIN}/witness`), mirror: noteSigner(`${PEER_ORIGIN}/mirror`) };
  const alarms: Equivocation[] = [];
  const sockets = new Set<Socket>();
  let pool: Pool | undefined;
  const build = async (): Promise<express.Express> => {
    const fresh = openPool(proxy.config, { max: 4, statementTimeoutMs: 0 }, () => {});
    pool = fresh;
    const trust = trustOf({ ...EMPTY_POLICY, logs: logs.map((key) => ({ key, url: undefined })) }, () => false);
    const roles = {
      trust,
      clock: systemClock,
      onEquivocation: (found: Equivocation): void => void alarms.push(found),
    };
    const witness = createWitness({ ...roles, store: checkpointStore(fresh, 'witness'), signer: signers.witness });
    const mirror = createMirror({
      ...roles,
      pending: checkpointStore(fresh, 'mirror'),
      store: mirrorStore(fresh),
      rows: (log) => mirrorRows(fresh, log),
      blobs: failing(blobs, steps, ['put', 'stat']),
      uploads: failing(await openBlobUploads(join(folder, 'uploads')), steps, ['offset', 'append', 'remove']),
      keepsBlobs: true,
      quotaBytes: 2 ** 40,
      hasRoom: () => true,
      signer: signers.mirror,
    });
    const authenticate = peerAuthenticator({
      origin: PEER_ORIGIN,
      trust,
      clock: systemClock,
      members: memberStore(fresh),
    });
    const peers = { mirror, mirrored: () => undefined, authenticate, blobs };
    const app = express();
    app.use('/witness', witnessRouter({ witness, maxBytes: ADD_CHECKPOINT_MAX_BYTES }));
    app.use('/mirror', mirrorRouter({ peers, maxBytes: ADD_CHECKPOINT_MAX_BYTES }));
    app.use((thrown: unknown, _request: Request, response: Response, _next: NextFunction) => {
      const error = errorFromHttp(thrown);
      if (!response.headersSent) response.status(error.form.http).json({ code: error.code });
    });
    return app;
  };
  let app: Promise<express.Express> = build();
  const server: Server = createServer((request, response) => void app.then((current) => current(request, response)));
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const crash = (): void => {
    for (const socket of sockets) socket.destroy();
    proxy.cut();
    void pool?.end().catch(() => {});
    app = build();
  };
  return {
    url: `http://127.0.0.1:${port}`,
    database,
    steps,
    blobs,
    witnessKey: cosignerKey(signers.witness),
    mirrorKey: cosignerKey(signers.mirror),
    alarms,
    crash,
    async reset() {
      alarms.length = 0;
      await admin.query(`truncate ${`${TABLES} ${MORE_TABLES}`.split(' ').join(', ')}`);
      for await (const { digest } of blobs.list()) await blobs.remove(digest);
      crash();
    },
    query: async (sql) => (await admin.query<Record<string, unknown>>(sql)).rows,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await app;
      await pool?.end();
      await admin.end();
      await proxy.close();
      await database.drop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
