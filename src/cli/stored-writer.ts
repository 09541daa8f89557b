/** A writer over the stored ledger of the configured gateway, for commands that change something beside it or without it. */
import type { Config } from '../config/config.ts';
import { systemClock } from '../core/clock.ts';
import { silentLog } from '../core/log.ts';
import { systemRandom } from '../core/random.ts';
import { movingDocuments } from '../services/move-documents.ts';
import { commitStore } from '../storage/pg/commit-store.ts';
import { isBlobNamed } from '../storage/pg/follower-store.ts';
import { openLog } from '../storage/pg/open-log.ts';
import { keyStore, prepareStore } from '../storage/pg/prepare-store.ts';
import { openWriter, type OpenedWriter } from '../write/open-writer.ts';
import { keepingRestoreRule } from './keep-restore-rule.ts';
import { openStoredLedger, type StoredLedger } from './stored-ledger.ts';

export type StoredWriter = Pick<StoredLedger, 'pool' | 'keySet' | 'blobs'> & OpenedWriter;

/** Opens for one command; what it commits is durable when this resolves. Throws as `openStoredLedger`. */
export async function withStoredWriter<T>(config: Config, work: (parts: StoredWriter) => Promise<T>): Promise<T> {
  const ledger = await openStoredLedger(config);
  try {
    const { pool, keySet, blobs } = ledger;
    const fence = { fingerprint: keySet.fingerprint, onFenced: () => {} };
    const { secret } = await openLog(pool, config.origin, keySet.fingerprint);
    const opened = await openWriter({
      origin: config.origin,
      keys: keySet,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      prepareStore: prepareStore(pool),
      keyStore: keyStore(pool),
      commitStore: keepingRestoreRule(commitStore(pool, fence), config, ledger),
      sealedSecret: secret,
      onCommitted: () => {},
    });
    const isNamed = (digest: Uint8Array): Promise<boolean> => isBlobNamed(pool, digest);
    const writer = movingDocuments({ blobs, isBlobNamed: isNamed, random: systemRandom }, opened.writer);
    const done = await work({ pool, keySet, blobs, ...opened, writer });
    await opened.committer.idle();
    return done;
  } finally {
    await ledger.close();
  }
}
