/**
 * What a database knows that its own ledger does not tell: what witness and mirror have accepted of others, evidence, members,
 * suspensions, and what others have signed. `rebuild` carries it over, or the witness could be led to sign a second history.
 * Mirrored content stays behind: its owners upload it again.
 */
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';

const TABLES: Readonly<Record<string, string>> = {
  accepted_checkpoint: 'role, origin, size, root, note, frozen',
  equivocation: 'origin, size, found_at, first_note, second_note',
  cosignature: 'cosigner, size, root, line, at',
  mirror_receipt: 'mirror, size, blobs, receipt',
  published_checkpoint: 'one, size, root, checkpoint',
  member: 'origin, issued, note',
  suspension: 'issuer, subject, issued, suspended, statement',
};

/** Copies into an empty database. A few rows for each peer. A source from before these tables has nothing to copy. */
export async function copyNetworkState(from: Pool, into: Pool): Promise<void> {
  for (const [table, columns] of Object.entries(TABLES)) {
    const { rows: found } = await from
      .query<{ there: boolean }>('select to_regclass($1) is not null as there', [table])
      .catch(storeError);
    if (found[0]?.there !== true) continue;
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
}
