// `anamnesis verify --hashes` over a stored log: what it reads, hashes and compares for each leaf, from Postgres.
import { createHash, randomBytes } from 'node:crypto';
import { hashThread } from '../../dist/cli/hash-thread.js';
import { systemRandom } from '../../dist/core/random.js';
import { generateKeySet } from '../../dist/keys/key-set-codec.js';
import { signCheckpoint } from '../../dist/ledger/checkpoint.js';
import { verifyHashes } from '../../dist/services/verify-hashes.js';
import { commitStore } from '../../dist/storage/pg/commit-store.js';
import { withLedgerSource } from '../../dist/storage/pg/ledger-source.js';
import { openLog } from '../../dist/storage/pg/open-log.js';
import { logAppender } from '../../dist/write/append.js';
import { startDatabase } from './database.js';

const ORIGIN = 'bench.example/anamnesis';
const BODY = 600;
const BLOCK = 256;
const LEAVES = 512 * 1024;

/** @returns rows for the table */
export async function measure() {
  const database = await startDatabase();
  const keys = generateKeySet(systemRandom);
  await openLog(database.pool, ORIGIN, keys.fingerprint);
  const signer = { name: ORIGIN, privateKey: keys.log.privateKey, rawPublicKey: keys.log.rawPublicKey };
  const appender = logAppender((size, root) => signCheckpoint(ORIGIN, size, root, signer));
  const store = commitStore(database.pool);
  const empty = {
    payloads: [],
    lockboxes: [],
    patients: [],
    consentPatients: [],
    aliases: [],
    records: [],
    tokens: [],
  };
  for (let leaf = 0; leaf < LEAVES; leaf += BLOCK) {
    const documents = Array.from({ length: BLOCK }, () => {
      const body = randomBytes(BODY);
      return { digest: createHash('sha256').update(body).digest(), body };
    });
    const items = [{ documents, manifest: 0, ...empty, message: undefined }];
    const digests = documents.map(({ digest }) => digest);
    await store.commit(items, (head, log) => appender.append(head, log, digests));
  }
  await database.admin.query('checkpoint');
  const trust = { origin: ORIGIN, log: keys.log.rawPublicKey, sign: keys.sign.rawPublicKey };
  const thread = hashThread();
  const runs = [];
  for (let run = 0; run < 3; run += 1) {
    const start = performance.now();
    const { documents, faults } = await withLedgerSource(database.pool, (source) =>
      verifyHashes({ source, hash: thread.hash, keys: trust, report: (fault) => console.error(fault) }),
    );
    if (faults > 0 || documents !== LEAVES) throw new Error('the log of the bench does not verify');
    runs.push(LEAVES / ((performance.now() - start) / 1000));
  }
  await thread.close();
  await database.stop();
  const detail = `${LEAVES} documents of ${BODY} bytes in blocks of ${BLOCK}, best of ${runs.length}`;
  return [{ name: 'verify --hashes', value: Math.max(...runs), unit: 'leaves/s', bar: 200_000, detail }];
}
