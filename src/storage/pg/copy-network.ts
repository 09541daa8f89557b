/**
 * What a database knows that its own ledger does not tell, or not up to now: what witness and mirror have accepted of others,
 * evidence, members, and what others have signed. `rebuild` carries it over, or the witness could be led to sign a second history.
 * Mirrored content stays behind: its owners upload it again.
 */
import { codeTable } from '../../core/code-table.ts';
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';

const TABLES: Readonly<Record<string, string>> = codeTable({
  accepted_checkpoint: 'role, origin, size, root, note, frozen',
  equivocation: 'origin, size, found_at, first_note, second_note',
  cosignature: 'cosigner, size, root, line, at',
  mirror_receipt: 'mirror, size, blobs, receipt',
  published_checkpoint: 'one, size, root, checkpoint',
  member: 'origin, issued, note',
});

/** Statements that were kept before they were anchored: by this schema, or by the one before. */
const STATEMENTS: readonly (readonly [table: string, statements: string])[] = [
  ['suspension_statement', 'select leaf, statement from suspension_statement where leaf < 0'],
  ['suspension', 'select -row_number() over (order by issuer, subject) as leaf, statement from suspension'],
];

/** Copies into an empty database. A few rows for each peer. A source from before these tables has nothing to copy. */
export async function copyNetworkState(from: Pool, into: Pool): Promise<void> {
  for (const [table, columns] of Object.entries(TABLES)) {
    if (!(await isThere(from, table))) continue;
    const { rows } = await from.query<Record<string, unknown>>(`select ${columns} from ${table}`).catch(storeError);
    const names = columns.split(', ');
    for (const row of rows) {
      await into
        .query(
          `insert into ${table} (${columns}) values (${names.map((_, i) => `$${i + 1}`).join(', ')}) on conflict do nothing`,
          names.map((name) => row[name]),
        )
        .catch(storeError);
    }
  }
  for (const [table, statements] of STATEMENTS) {
    if (!(await isThere(from, table))) continue;
    const { rows } = await from.query<{ leaf: number; statement: string }>(statements).catch(storeError);
    for (const { leaf, statement } of rows) {
      const text = 'insert into suspension_statement (leaf, statement) values ($1, $2) on conflict do nothing';
      await into.query(text, [leaf, statement]).catch(storeError);
    }
  }
}

async function isThere(pool: Pool, table: string): Promise<boolean> {
  const { rows } = await pool
    .query<{ there: boolean }>('select to_regclass($1) is not null as there', [table])
    .catch(storeError);
  return rows[0].there;
}

/** Forgets what others have signed of the log in this database: it is the log of another origin now. */
export async function forgetSignatures(pool: Pool): Promise<void> {
  for (const table of ['cosignature', 'mirror_receipt', 'published_checkpoint']) {
    await pool.query(`delete from ${table}`).catch(storeError);
  }
}
