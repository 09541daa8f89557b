/** Tag numbers that were reserved stay reserved when the database crashes at once: the process goes on drawing from them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { LeafIndex } from '../../src/core/ids.ts';
import { silentLog } from '../../src/core/log.ts';
import { startEmbeddedPostgres } from '../../src/storage/embedded-postgres/embedded-postgres.ts';
import { openPool } from '../../src/storage/pg/pool.ts';
import { prepareDatabase } from '../../src/storage/pg/prepare-database.ts';
import { keyStore } from '../../src/storage/pg/prepare-store.ts';

it('a crash forgets no reservation', { timeout: 60_000 }, async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'anamnesis-tags-'));
  let up = (): void => {};
  const again = new Promise<void>((resolve) => (up = resolve));
  const onState = (isUp: boolean): void => {
    if (isUp) up();
  };
  const settings = { shared_buffers: '16MB', wal_writer_delay: '10s' };
  const postgres = await startEmbeddedPostgres({ dataDir, log: silentLog, settings, onState });
  const { connection } = await prepareDatabase({ admin: { ...postgres.connection }, gateway: 'embedded' });
  const pool = openPool(connection, { max: 1, statementTimeoutMs: 0 }, () => {});
  try {
    await pool.query(`insert into lockbox (leaf, slot, wrap, next_tag) values (7, gen_random_uuid(), '\\x00', 0)`);
    const leaf = 7 as LeafIndex;
    expect((await keyStore(pool).reserveTags([leaf], 16)).get(leaf)).toBe(0);
    process.kill(postgres.pid() ?? 0, 'SIGKILL');
    await again;
    expect((await keyStore(pool).reserveTags([leaf], 16)).get(leaf)).toBe(16);
  } finally {
    await pool.end();
    await postgres.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
});
