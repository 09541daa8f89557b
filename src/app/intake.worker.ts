/**
 * A thread that takes HL7 v2 messages in: it converts, resolves, seals and indexes with keys and database connections of its
 * own, and hands what is ready to the one line of commits in the main thread.
 */
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../core/clock.ts';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import { describeError, type Log, type LogFields } from '../core/log.ts';
import { systemRandom } from '../core/random.ts';
import { acceptHl7v2, type AcceptHl7v2Deps } from '../services/accept-hl7v2.ts';
import { movingDocuments } from '../services/move-documents.ts';
import { openFileBlobStore } from '../storage/blobs/fs.ts';
import { isBlobNamed } from '../storage/pg/follower-store.ts';
import { itemPacker } from '../storage/pg/packed-item.ts';
import { openLog } from '../storage/pg/open-log.ts';
import { openPool } from '../storage/pg/pool.ts';
import { keyStore, prepareStore } from '../storage/pg/prepare-store.ts';
import type { GroupCommitter, ItemOutcome } from '../write/group-commit.ts';
import { joinWriter } from '../write/open-writer.ts';
import type { IntakeCall, IntakeStart } from './intake-threads.ts';
import { openSources } from './sources.ts';
import { threadChannel, type Handlers } from './thread-channel.ts';

/** Database connections of one thread: look-ups of many messages share a statement. */
const CONNECTIONS = 4;

if (parentPort === null) throw new Error('this file is the entry of a worker thread');
const port = parentPort;
const { config, login, pool: settings, keys, inBatches } = workerData as IntakeStart;

const handlers: Record<string, Handlers[string]> = {};
const channel = threadChannel(port, handlers, asGatewayError);

const logAs =
  (level: keyof Log) =>
  (fields: LogFields): void =>
    channel.tell('log', { level, fields });
const log: Log = { debug: logAs('debug'), info: logAs('info'), warn: logAs('warn'), error: logAs('error') };

const pool = openPool(login, { ...settings, max: CONNECTIONS }, (error) =>
  log.warn({ event: 'database-connection-lost', ...describeError(error) }),
);
const { secret } = await openLog(pool, config.origin, keys.fingerprint);
if (secret === undefined) throw new GatewayError('integrity', 'the log was not begun before its intake');

const pack = itemPacker();
const committer: Pick<GroupCommitter, 'commit'> = {
  commit(item) {
    const packed = 'layout' in item ? item : pack(item);
    const transfer = packed.rows.buffer instanceof ArrayBuffer ? [packed.rows.buffer] : [];
    return channel.call('commit', packed, transfer) as Promise<ItemOutcome>;
  },
};
const joined = joinWriter({
  origin: config.origin,
  keys,
  clock: systemClock,
  random: systemRandom,
  log,
  prepareStore: prepareStore(pool),
  keyStore: keyStore(pool),
  sealedSecret: secret,
  committer,
  inBatches,
});
const blobs = await openFileBlobStore(join(config.dataDir, 'blobs'));
const deps: AcceptHl7v2Deps = {
  writer: movingDocuments(
    { blobs, isBlobNamed: (digest) => isBlobNamed(pool, digest), random: systemRandom },
    joined.writer,
  ),
  clock: systemClock,
  random: systemRandom,
  log,
  sources: await openSources(config, { pool, keyring: joined.keyring, log }),
  observe: (...seen) => channel.tell('observe', seen),
  onQuarantined: (reason) => channel.tell('quarantined', reason),
};

handlers.accept = async ({ bytes, client }: IntakeCall): Promise<readonly Uint8Array[]> =>
  acceptHl7v2(deps, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), client);
channel.tell('ready', undefined);
