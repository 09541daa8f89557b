/** A writer over the stored ledger of the configured gateway, for commands that change something beside it or without it. */
import type { Config } from '../config/config.ts';
import { systemClock } from '../core/clock.ts';
import { silentLog } from '../core/log.ts';
import { systemRandom } from '../core/random.ts';
import type { KeySet } from '../keys/key-set.ts';
import { movingDocuments } from '../services/move-documents.ts';
import { commitStore } from '../storage/pg/commit-store.ts';
import { isBlobNamed } from '../storage/pg/follower-store.ts';
import { openLog } from '../storage/pg/open-log.ts';
import type { Pool } from '../storage/pg/pool.ts';
import { keyStore, prepareStore } from '../storage/pg/prepare-store.ts';
import { openWriter, type OpenedWriter } from '../write/open-writer.ts';
import type { CommitStore } from '../write/ports.ts';
import { keepingRestoreRule } from './keep-restore-rule.ts';
import { openStoredLedger, type StoredLedger } from './stored-ledger.ts';

export type StoredWriter = Pick<StoredLedger, 'pool' | 'keySet' | 'blobs'> & OpenedWriter;

/** Commits of a command stop where the keys were rotated meanwhile. */
export function fencedStore(pool: Pool, { fingerprint }: Pick<KeySet, 'fingerprint'>): CommitStore {
  return commitStore(pool, { fingerprint, onFenced: () => {} });
}

/** The writer of a command on a stored log. Throws `integrity` where the key set is not that of the log. */
export async function openWriterOn(
  config: Config,
  pool: Pool,
  keys: KeySet,
  store: CommitStore,
): Promise<OpenedWriter> {
  const { secret } = await openLog(pool, config.origin, keys.fingerprint);
  return openWriter({
    origin: config.origin,
    keys,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    prepareStore: prepareStore(pool),
    keyStore: keyStore(pool),
    commitStore: store,
    sealedSecret: secret,
    onCommitted: () => {},
  });
}

/** Opens for one command; what it commits is durable when this resolves. Throws as `openStoredLedger`. */
export async function withStoredWriter<T>(config: Config, work: (parts: StoredWriter) => Promise<T>): Promise<T> {
  const ledger = await openStoredLedger(config);
  try {
    const { pool, keySet, blobs } = ledger;
    const store = keepingRestoreRule(fencedStore(pool, keySet), config, ledger);
    const opened = await openWriterOn(config, pool, keySet, store);
    const isNamed = (digest: Uint8Array): Promise<boolean> => isBlobNamed(pool, digest);
    const writer = movingDocuments({ blobs, isBlobNamed: isNamed, random: systemRandom }, opened.writer);
    const done = await work({ pool, keySet, blobs, ...opened, writer });
    await opened.committer.idle();
    return done;
  } finally {
    await ledger.close();
  }
}
