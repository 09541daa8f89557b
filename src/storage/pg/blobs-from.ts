/** The blobs that the manifests of the own log name, in the order of the log. */
import type { MissingBlob } from '../../replication/mirror-ports.ts';
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';
import { statement } from './statement.ts';

const BLOBS = statement('blobs-from');
const PAGE = 1000;

/** Each as often as it is named, up to the leaf `size`. */
export async function* blobsFrom(pool: Pool, size: number): AsyncGenerator<MissingBlob, void> {
  for (let from = 0; ;) {
    const { rows } = await pool
      .query<MissingBlob & { grp: number }>(BLOBS, [from, size * 4096, PAGE])
      .catch(storeError);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return;
    from = last.grp + 1;
  }
}
