// Restore: a log with its documents and sealed payloads, brought in from an archive and from a mirror over HTTP, beside a plain
// COPY of the same rows; then the gateway's own tables derived from it (`anamnesis restore`, both halves).
import { createReadStream, createWriteStream, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createSecretKey } from 'node:crypto';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { systemRandom } from '../../dist/core/random.js';
import { ByteReader } from '../../dist/core/byte-reader.js';
import { generateKeySet } from '../../dist/keys/key-set-codec.js';
import { signCheckpoint } from '../../dist/ledger/checkpoint.js';
import { KEY_ED25519, verifierKey } from '../../dist/ledger/note.js';
import { documentSigner } from '../../dist/record/document.js';
import { compactOf, sealGroup } from '../../dist/record/sealed-group.js';
import { peerHttp } from '../../dist/clients/peer-http.js';
import { exportArchive, importArchive } from '../../dist/replication/archive.js';
import { originHash } from '../../dist/replication/trust.js';
import { pullLog } from '../../dist/replication/pull.js';
import { checkpointStore } from '../../dist/storage/pg/checkpoint-store.js';
import { commitStore } from '../../dist/storage/pg/commit-store.js';
import { copyBatch } from '../../dist/storage/pg/copy-batch.js';
import { CopyRows } from '../../dist/storage/pg/copy-binary.js';
import { openLog } from '../../dist/storage/pg/open-log.js';
import { ownLog } from '../../dist/storage/pg/own-log.js';
import { openPool } from '../../dist/storage/pg/pool.js';
import { logAppender } from '../../dist/write/append.js';
import { emptyItem } from '../../dist/write/ports.js';
import { startDatabase } from './database.js';
import { measureDerivation } from './restore/derive.js';
import { openMirror } from './restore/mirror.js';

const ORIGIN = 'bench.example/anamnesis';
const LEAVES = 200 * 1024;
const BLOCK = 256;
/** Plaintext bytes of a document's sealed part and of its one payload. */
const SEALED = 200;
const PAYLOAD = 300;

/** A log of manifests with one sealed payload each, as the writer stores them. */
async function makeLog(pool, keys) {
  await openLog(pool, ORIGIN, keys.fingerprint);
  const signer = { name: ORIGIN, ...keys.log };
  const appender = logAppender((size, root) => signCheckpoint(ORIGIN, size, root, signer));
  const store = commitStore(pool);
  const sign = documentSigner(keys.sign);
  const key = createSecretKey(systemRandom.bytes(32));
  const seal = (bytes) =>
    sealGroup(
      key,
      systemRandom.bytes(32).toString('base64url'),
      'application/fhir+ndjson',
      systemRandom.bytes(bytes),
      systemRandom,
    );
  for (let leaf = 0; leaf < LEAVES; leaf += BLOCK) {
    const items = Array.from({ length: BLOCK }, () => {
      const payload = seal(PAYLOAD);
      const named = [{ digest: payload.digest.toString('base64url'), size: payload.size }];
      const document = sign({ v: 1, typ: 'manifest', payloads: named, sealed: compactOf(seal(SEALED).packed) });
      return {
        ...emptyItem(),
        documents: [{ digest: document.digest, body: document.bytes }],
        payloads: [{ lockbox: 0, digest: payload.digest, size: payload.size, body: payload.packed }],
      };
    });
    const digests = items.map(({ documents }) => documents[0].digest);
    await store.commit(items, (head, log) => appender.append(head, log, digests));
  }
}

function connectionOf({ pool }) {
  const { host, port, user, database } = pool.options;
  return { host, port, user, database };
}

const perSecond = (count, from) => count / ((performance.now() - from) / 1000);

/** The rows of the log as they stand, copied into tables of the same form: what the database alone takes. */
async function plainCopy(source, target) {
  for (const table of ['document', 'payload']) {
    await target.admin.query(`create table plain_${table} (like mirror_${table} including all)`);
    await target.admin.query(`alter table plain_${table} alter column body set storage external`);
  }
  const client = await target.admin.connect();
  // As a restore does.
  await client.query('set synchronous_commit = off');
  const PAGE = 2048;
  let spent = 0;
  for (let leaf = 0; leaf < LEAVES; leaf += PAGE) {
    const documents = new CopyRows();
    const payloads = new CopyRows();
    const found = await source.pool.query(
      'select leaf, body from document where leaf >= $1 and leaf < $2 order by leaf',
      [leaf, leaf + PAGE],
    );
    const groups = await source.pool.query(
      'select grp, digest, size, body from payload where grp >= $1 and grp < $2 order by grp',
      [leaf * 4096, (leaf + PAGE) * 4096],
    );
    for (const row of found.rows) documents.row(3).int4(1).int8(row.leaf).bytes(row.body);
    for (const row of groups.rows)
      payloads.row(5).int4(1).int8(row.grp).bytes(row.digest).int8(row.size).bytes(row.body);
    const start = performance.now();
    await client.query('begin');
    await copyBatch(
      client,
      [
        { target: 'plain_document (log, leaf, body)', rows: documents },
        { target: 'plain_payload (log, grp, digest, size, body)', rows: payloads },
      ],
      ['commit'],
    );
    spent += performance.now() - start;
  }
  client.release();
  return LEAVES / (spent / 1000);
}

/** @returns rows for the table */
export async function measure() {
  const folder = mkdtempSync(join(tmpdir(), 'anamnesis-bench-restore-'));
  const keys = generateKeySet(systemRandom);
  const source = await startDatabase();
  const target = await startDatabase();
  const again = await startDatabase();
  const pools = [];
  try {
    await makeLog(source.pool, keys);
    const log = ownLog(source.pool);
    const head = await log.latest();
    const file = join(folder, 'log.archive');
    const none = { blobs: async function* () {}, readBlob: () => {}, withBlobs: false };
    let start = performance.now();
    await pipeline(exportArchive({ origin: ORIGIN, log, ...none }, head), createWriteStream(file));
    const exported = perSecond(LEAVES, start);
    const plain = await plainCopy(source, target);
    const relaxed = (database) =>
      openPool(connectionOf(database), { max: 8, statementTimeoutMs: 0, relaxed: true }, () => {});
    const measured = async (pool, work) => {
      const mirror = await openMirror(
        pool,
        ORIGIN,
        keys.log.rawPublicKey,
        keys.mirror,
        join(folder, String(pools.length)),
      );
      const pending = checkpointStore(pool, 'mirror');
      const [cpu, begun] = [process.cpuUsage(), performance.now()];
      await work({ mirror, pending, origin: ORIGIN });
      const value = perSecond(LEAVES, begun);
      const { user, system } = process.cpuUsage(cpu);
      return { value, cpu: `${((user + system) / LEAVES).toFixed(1)} us CPU in the process` };
    };
    pools.push(relaxed(target));
    const imported = await measured(pools[0], (deps) =>
      importArchive(deps, new ByteReader(createReadStream(file, { highWaterMark: 1024 * 1024 }))),
    );
    // What was imported is a mirror of the log now: a thread of its own serves it.
    const workerData = {
      serve: true,
      connection: connectionOf(target),
      origin: ORIGIN,
      folder,
      logPublicKey: keys.log.rawPublicKey,
    };
    const server = new Worker(new URL('./restore/mirror.js', import.meta.url), { workerData });
    const [port] = await once(server, 'message');
    pools.push(relaxed(again));
    const http = peerHttp();
    const pulled = await measured(pools[1], (deps) =>
      pullLog({
        ...deps,
        http,
        url: `http://127.0.0.1:${port}/mirror/${originHash(ORIGIN)}`,
        authorization: () => '',
        deadlineMs: 60_000,
        logKeys: [verifierKey(ORIGIN, KEY_ED25519, keys.log.rawPublicKey)],
        withBlobs: true,
      }),
    );
    http.close();
    await server.terminate();
    const detail = `${LEAVES} leaves, ${Math.round(statSync(file).size / LEAVES)} bytes each`;
    return [
      { name: 'export to an archive', value: exported, unit: 'leaves/s' },
      { name: 'log and payload rows, plain COPY', value: plain, unit: 'leaves/s', detail },
      {
        name: 'restore: log and payloads from an archive',
        value: imported.value,
        unit: 'leaves/s',
        bar: 40_000,
        detail: imported.cpu,
      },
      {
        name: 'restore: log and payloads from a mirror',
        value: pulled.value,
        unit: 'leaves/s',
        bar: 40_000,
        detail: pulled.cpu,
      },
      ...(await measureDerivation()),
    ];
  } finally {
    await Promise.all(pools.map((pool) => pool.end()));
    for (const database of [source, target, again]) await database.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
