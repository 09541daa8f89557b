/** A writer on a real database with fresh keys, without listeners: for integration tests of the write path. */
import { systemClock } from '../../src/core/clock.ts';
import { silentLog } from '../../src/core/log.ts';
import { systemRandom } from '../../src/core/random.ts';
import { generateKeySet } from '../../src/keys/key-set-codec.ts';
import type { KeySet } from '../../src/keys/key-set.ts';
import { commitStore } from '../../src/storage/pg/commit-store.ts';
import { openLog } from '../../src/storage/pg/open-log.ts';
import { openPool, type Pool } from '../../src/storage/pg/pool.ts';
import { keyStore, prepareStore } from '../../src/storage/pg/prepare-store.ts';
import { openWriter, type OpenedWriter } from '../../src/write/open-writer.ts';
import { itemPacker } from '../../src/storage/pg/packed-item.ts';
import type { CommitStore } from '../../src/write/ports.ts';
import { createTestDatabase, type TestDatabase } from './postgres.ts';

export const ORIGIN = 'hospital.example/anamnesis';

export interface TestWriter extends OpenedWriter {
  readonly database: TestDatabase;
  readonly pool: Pool;
  readonly keys: KeySet;
  close(): Promise<void>;
}

/** Commits items in the form in which those of other threads come. */
function packing(store: CommitStore): CommitStore {
  const pack = itemPacker();
  return {
    ...store,
    commit: (items, append) =>
      store.commit(
        items.map((item) => ('layout' in item ? item : pack(item))),
        append,
      ),
  };
}

/**
 * Opens a writer on `database` (a new one by default) with `keys` (new ones by default). `packed`: its items are committed like
 * those of an intake thread.
 */
export async function openTestWriter(
  options: { database?: TestDatabase; keys?: KeySet; packed?: boolean } = {},
): Promise<TestWriter> {
  const database = options.database ?? (await createTestDatabase());
  const keys = options.keys ?? generateKeySet(systemRandom);
  const pool = openPool(database.config, { max: 8, statementTimeoutMs: 0 }, () => {});
  const opened = await openLog(pool, ORIGIN, keys.fingerprint);
  const writer = await openWriter({
    origin: ORIGIN,
    keys,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    prepareStore: prepareStore(pool),
    keyStore: keyStore(pool),
    commitStore: options.packed === true ? packing(commitStore(pool)) : commitStore(pool),
    sealedSecret: opened.secret,
    onCommitted: () => {},
  });
  return {
    ...writer,
    database,
    pool,
    keys,
    async close() {
      await pool.end();
      if (options.database === undefined) await database.drop();
    },
  };
}
