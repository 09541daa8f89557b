/**
 * A ledger that many processes wrote, at paces of their own, is derived again like any other: each draws tag numbers from blocks that
 * it has reserved, so that numbers lie far apart.
 */
import { expect, it } from 'vitest';
import type { Change } from '../../../src/formats/fhir/change.ts';
import { rebuild } from '../../../src/services/rebuild.ts';
import { rebuiltKeys } from '../../../src/services/rebuilt-keys.ts';
import { commitStore } from '../../../src/storage/pg/commit-store.ts';
import { derivationStore } from '../../../src/storage/pg/derivation-store.ts';
import { withLedgerSource } from '../../../src/storage/pg/ledger-source.ts';
import { openLog } from '../../../src/storage/pg/open-log.ts';
import { openPool } from '../../../src/storage/pg/pool.ts';
import { keyStore } from '../../../src/storage/pg/prepare-store.ts';
import { createTestDatabase } from '../../support/postgres.ts';
import { openTestWriter, ORIGIN, type TestWriter } from '../../support/writer.ts';

const WRITERS = 12;
/** More than twice what was ever reserved at a time. */
const AHEAD = 2_600;

async function write(writer: TestWriter, control: string): Promise<void> {
  const practitioner: Change = {
    mode: 'merge',
    type: 'Practitioner',
    keys: [['identifier', 'urn:npi', control]],
    sourceTime: 1,
    set: { resourceType: 'Practitioner', active: true },
  };
  const at = { receivedAt: 1_700_000_000_000, sourceTime: 1 };
  await writer.writer.submit({ kind: 'hl7v2', source: 'lab', control, details: {}, changes: [practitioner], ...at });
}

it('a log of many processes of which one writes most', { timeout: 120_000 }, async () => {
  const first = await openTestWriter();
  const others = await Promise.all(
    Array.from({ length: WRITERS - 1 }, () => openTestWriter({ database: first.database, keys: first.keys })),
  );
  // The last ones begin: what the others have reserved lies unused behind them.
  for (const [n, writer] of [...others, first].entries()) await writer.keyring.newPatient(`${n}` as never);
  await write(others[WRITERS - 2], 'ahead');
  for (const [n, writer] of others.entries()) await write(writer, `early ${n}`);
  await Promise.all(Array.from({ length: AHEAD }, (_, n) => write(first, `first ${n}`)));
  for (const [n, writer] of others.entries()) await write(writer, `late ${n}`);

  const target = await createTestDatabase();
  const pool = openPool(target.config, { max: 4, statementTimeoutMs: 0 }, () => {});
  await openLog(pool, ORIGIN, first.keys.fingerprint);
  const summary = await withLedgerSource(first.pool, (source) =>
    rebuild({
      source,
      target: commitStore(pool),
      keys: rebuiltKeys(keyStore(pool), first.keys.master),
      derivation: derivationStore(pool),
      origin: ORIGIN,
      master: first.keys.master,
      signPublicKey: first.keys.sign.publicKey,
      progress: () => {},
    }),
  );
  expect(summary.records).toBe(AHEAD + 2 * (WRITERS - 1) + 1);
  // No number that stands in the log is drawn again.
  const counters = 'select leaf, next_tag from lockbox order by leaf';
  const [before, after] = [await first.pool.query(counters), await pool.query(counters)];
  expect(after.rows.map(({ leaf }) => leaf)).toEqual(before.rows.map(({ leaf }) => leaf));
  after.rows.forEach(({ next_tag: next }, i) => expect(next).toBeLessThanOrEqual(before.rows[i].next_tag));
  expect(Math.max(...after.rows.map(({ next_tag: next }) => next))).toBeGreaterThan(AHEAD);
  await pool.end();
  await target.drop();
  for (const other of others) await other.pool.end();
  await first.close();
});
