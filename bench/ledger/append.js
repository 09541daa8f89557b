// Closed-loop append: so many writers, each waiting for its own document to be durable and anchored before it brings the
// next. Beside it the same rows inserted in the same batches without tree, chain, signature and head.
import { createHash, randomBytes } from 'node:crypto';
import { silentLog } from '../../dist/core/log.js';
import { systemRandom } from '../../dist/core/random.js';
import { generateKeySet } from '../../dist/keys/key-set-codec.js';
import { signCheckpoint } from '../../dist/ledger/checkpoint.js';
import { commitStore } from '../../dist/storage/pg/commit-store.js';
import { copyBatch } from '../../dist/storage/pg/copy-batch.js';
import { CopyRows } from '../../dist/storage/pg/copy-binary.js';
import { openLog } from '../../dist/storage/pg/open-log.js';
import { logAppender } from '../../dist/write/append.js';
import { groupCommitter } from '../../dist/write/group-commit.js';
import { startDatabase } from './database.js';

const WRITERS = 1024;
/** Bytes of a document; a manifest of a small message has about as many. */
const BODY = 600;
const ORIGIN = 'bench.example/anamnesis';

function documents() {
  const pool = randomBytes(1 << 20);
  let n = 0;
  return () => {
    n += 1;
    const at = (n * 97) % (pool.length - BODY);
    const body = Buffer.from(pool.subarray(at, at + BODY));
    body.writeUInt32BE(n, 0);
    return { digest: createHash('sha256').update(body).digest(), body };
  };
}

function itemOf(document) {
  return {
    documents: [document],
    manifest: 0,
    payloads: [],
    lockboxes: [],
    patients: [],
    consentPatients: [],
    aliases: [],
    records: [],
    tokens: [],
    message: undefined,
  };
}

/** Runs `WRITERS` loops of `once` for `seconds`, after a second to warm up. Leaves per second and waiting times in ms. */
async function closedLoop(seconds, once) {
  const waits = [];
  const warm = performance.now() + 1000;
  const end = warm + seconds * 1000;
  const cpu = { from: undefined };
  const loop = async () => {
    for (;;) {
      const start = performance.now();
      if (start >= end) return;
      if (start >= warm) cpu.from ??= process.cpuUsage();
      await once();
      const now = performance.now();
      if (start >= warm && now <= end) waits.push(now - start);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, loop));
  waits.sort((a, b) => a - b);
  const used = process.cpuUsage(cpu.from);
  return {
    perSecond: Math.round(waits.length / seconds),
    p50: waits[Math.floor(waits.length * 0.5)],
    p99: waits[Math.floor(waits.length * 0.99)],
    cpuMicros: (used.user + used.system) / waits.length,
  };
}

async function appended(seconds) {
  const database = await startDatabase();
  const keys = generateKeySet(systemRandom);
  await openLog(database.pool, ORIGIN, keys.fingerprint);
  const { privateKey, rawPublicKey } = keys.log;
  const signer = { name: ORIGIN, privateKey, rawPublicKey };
  let commits = 0;
  const committer = groupCommitter({
    store: commitStore(database.pool),
    appender: logAppender((size, root) => signCheckpoint(ORIGIN, size, root, signer)),
    log: silentLog,
    onCommitted: () => (commits += 1),
  });
  const next = documents();
  const result = await closedLoop(seconds, () => committer.commit(itemOf(next())));
  await database.stop();
  return { ...result, commits };
}

async function plain(seconds) {
  const database = await startDatabase();
  await database.admin.query(
    'create table plain (leaf bigint primary key, digest bytea not null, body bytea not null)',
  );
  await database.admin.query('alter table plain alter column body set storage external');
  const client = await database.admin.connect();
  const next = documents();
  let queue = [];
  let leaf = 0;
  let running = false;
  const run = async () => {
    running = true;
    while (queue.length > 0) {
      const batch = queue;
      queue = [];
      const rows = new CopyRows();
      for (const { document } of batch) rows.row(3).int8(leaf++).bytes(document.digest).bytes(document.body);
      await client.query('begin');
      await copyBatch(client, [{ target: 'plain (leaf, digest, body)', rows }], ['commit']);
      for (const { resolve } of batch) resolve();
    }
    running = false;
  };
  const result = await closedLoop(seconds, () => {
    const document = next();
    return new Promise((resolve) => {
      queue.push({ document, resolve });
      if (!running) setImmediate(() => running || void run());
    });
  });
  client.release();
  await database.stop();
  return result;
}

/** @returns rows for the table */
export async function measure({ seconds }) {
  // In turns, so that a slow minute of the machine is not one side's alone.
  const rounds = [];
  for (let round = 0; round < 2; round += 1) {
    rounds.push({ ledger: await appended(seconds), baseline: await plain(seconds) });
  }
  const best = (side) => rounds.map((round) => round[side]).toSorted((a, b) => b.perSecond - a.perSecond)[0];
  const ledger = best('ledger');
  const baseline = best('baseline');
  const detail = ({ p50, p99, cpuMicros }) =>
    `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, ${cpuMicros.toFixed(1)} us CPU`;
  return [
    {
      name: `append, ${WRITERS} waiting writers`,
      value: ledger.perSecond,
      unit: 'leaves/s',
      bar: 30_000,
      detail: detail(ledger),
    },
    {
      name: 'the same rows, plain batched inserts',
      value: baseline.perSecond,
      unit: 'rows/s',
      detail: detail(baseline),
    },
    { name: 'append / plain', value: ledger.perSecond / baseline.perSecond, unit: '', bar: 0.7 },
  ];
}
