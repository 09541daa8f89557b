// A mirror of the bench's log over a database: in the process that measures, and behind HTTP in a thread of its own.
import { parentPort, workerData } from 'node:worker_threads';
import express from 'express';
import { systemClock } from '../../../dist/core/clock.js';
import { systemRandom } from '../../../dist/core/random.js';
import { mirrorRouter } from '../../../dist/edge/http/peer/mirror-router.js';
import { KEY_ED25519, verifierKey } from '../../../dist/ledger/note.js';
import { EMPTY_POLICY } from '../../../dist/ledger/policy.js';
import { createMirror } from '../../../dist/replication/mirror.js';
import { trustOf } from '../../../dist/replication/trust.js';
import { readLedger } from '../../../dist/services/read-ledger.js';
import { openFileBlobStore } from '../../../dist/storage/blobs/fs.js';
import { openBlobUploads } from '../../../dist/storage/blobs/uploads.js';
import { checkpointStore } from '../../../dist/storage/pg/checkpoint-store.js';
import { mirrorReader, mirrorRows, mirrorStore } from '../../../dist/storage/pg/mirror-store.js';
import { openPool } from '../../../dist/storage/pg/pool.js';

/** @param signer key pair of the mirror */
export async function openMirror(pool, origin, logPublicKey, signer, folder) {
  const key = verifierKey(origin, KEY_ED25519, logPublicKey);
  return createMirror({
    trust: trustOf({ ...EMPTY_POLICY, logs: [{ key, url: undefined }] }, () => false),
    pending: checkpointStore(pool, 'mirror'),
    store: mirrorStore(pool),
    rows: (id) => mirrorRows(pool, id),
    blobs: await openFileBlobStore(`${folder}/blobs`),
    uploads: await openBlobUploads(`${folder}/uploads`),
    keepsBlobs: true,
    quotaBytes: Number.MAX_SAFE_INTEGER,
    hasRoom: () => true,
    clock: systemClock,
    signer: { name: `${origin}/mirror`, ...signer },
    onEquivocation: () => {},
  });
}

if (parentPort !== null && workerData?.serve === true) {
  const { connection, origin, folder } = workerData;
  const logPublicKey = Buffer.from(workerData.logPublicKey);
  const { generateKeySet } = await import('../../../dist/keys/key-set-codec.js');
  const pool = openPool(connection, { max: 4, statementTimeoutMs: 0 }, () => {});
  const mirror = await openMirror(pool, origin, logPublicKey, generateKeySet(systemRandom).mirror, folder);
  const ledger = readLedger({ reader: mirrorReader(pool, origin), origin, logPublicKey });
  const peers = { mirror, mirrored: () => ledger, authenticate: async () => origin, blobs: undefined };
  const server = express()
    .use('/mirror', mirrorRouter({ peers, maxBytes: 1 << 20 }))
    .listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
}
