/**
 * One whole gateway that others use as their witness and mirror, with the logs of a test in its policy file: for tests of
 * what peers send. It can be stopped and started again on its database.
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startGateway } from '../../src/app.ts';
import { cosigners } from '../../src/app/network.ts';
import type { LogFields } from '../../src/core/log.ts';
import { systemClock } from '../../src/core/clock.ts';
import { systemRandom } from '../../src/core/random.ts';
import { cosignerKey } from '../../src/ledger/cosignature.ts';
import { formatVkey, type NoteSigner, type VerifierKey } from '../../src/ledger/note.ts';
import type { KeyPair } from '../../src/keys/key-set.ts';
import { ownMember } from '../../src/replication/member.ts';
import { fileKeyProvider } from '../../src/storage/key-file.ts';
import { createTestDatabase, type TestDatabase } from './postgres.ts';
import { configOf, recordingLog } from './network.ts';

export const PEER_ORIGIN = 'peer.example/anamnesis';

export interface PeerGateway {
  readonly database: TestDatabase;
  readonly dataDir: string;
  /** Warnings and errors of the running gateway and of those before it. */
  readonly events: LogFields[];
  readonly witnessKey: VerifierKey;
  readonly mirrorKey: VerifierKey;
  /** Base URL; another one after each start. */
  readonly url: string;
  /** Environment of its commands. */
  readonly env: Readonly<Record<string, string>>;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Everything that it keeps for others: rows of all its tables for peers, and the blobs. */
  kept(): Promise<Record<string, unknown>>;
  close(): Promise<void>;
}

export interface PeerGatewayOptions {
  readonly logs: readonly VerifierKey[];
  /** More lines of the policy file; default: no quorum. */
  readonly policy?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const KEPT = [
  'accepted_checkpoint',
  'equivocation',
  'mirror_log',
  'mirror_bundle',
  'mirror_tile',
  'mirror_document',
  'mirror_payload',
  'mirror_missing_blob',
  'mirror_block',
  'suspension_statement',
];

/** Starts it before it resolves. */
export async function openPeerGateway(options: PeerGatewayOptions): Promise<PeerGateway> {
  const dataDir = mkdtempSync(join(tmpdir(), 'anamnesis-peer-'));
  const database = await createTestDatabase();
  const { keySet } = await fileKeyProvider({ path: join(dataDir, 'gateway.key'), random: systemRandom }).load({
    create: true,
  });
  const policy = join(dataDir, 'policy');
  const lines = options.logs.map((key) => `log ${formatVkey(key)}`);
  writeFileSync(policy, `${lines.join('\n')}\n${options.policy ?? 'quorum none'}\n`);
  const env = {
    HTTP_PORT: '0',
    MLLP_PORT: '0',
    DICOM_PORT: '0',
    DATA_DIR: dataDir,
    DATABASE_URL: database.url,
    DATABASE_CONNECTIONS: '8',
    FREE_DISK_FLOOR_BYTES: '1000000',
    GATEWAY_ORIGIN: PEER_ORIGIN,
    LEDGER_POLICY_FILE: policy,
    ...options.env,
  };
  const config = configOf(env, dataDir);
  const events: LogFields[] = [];
  const { witness, mirror } = cosigners(PEER_ORIGIN, keySet);
  let gateway: Awaited<ReturnType<typeof startGateway>> | undefined;
  const start = async (): Promise<void> => {
    gateway = await startGateway(config, recordingLog(events));
  };
  const stop = async (): Promise<void> => {
    await gateway?.close();
    gateway = undefined;
  };
  await start();
  return {
    database,
    dataDir,
    events,
    env,
    witnessKey: cosignerKey(witness),
    mirrorKey: cosignerKey(mirror),
    get url() {
      return gateway?.addresses.http ?? '';
    },
    start,
    stop,
    async kept() {
      const client = new pg.Client(database.config);
      await client.connect();
      try {
        const kept: Record<string, unknown> = {};
        for (const table of KEPT) {
          kept[table] = (await client.query(`select * from ${table} t order by t::text`)).rows;
        }
        const blobs = readdirSync(join(dataDir, 'blobs'), { recursive: true }).map(String);
        return { ...kept, blobs: blobs.filter((name) => name.length > 40).toSorted() };
      } finally {
        await client.end();
      }
    },
    async close() {
      await stop();
      await database.drop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** A token of the member behind a log, for the peer gateway. */
export function memberToken(log: NoteSigner, signKey: KeyPair, now: () => number = () => systemClock.now()): string {
  return ownMember({ origin: log.name, signKey, log, clock: { now } }).token(PEER_ORIGIN);
}
