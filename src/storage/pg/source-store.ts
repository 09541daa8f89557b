/** Versions of the sources (port: services/source-store). */
import type { LeafIndex, ResourceKey } from '../../core/ids.ts';
import type { SourceRow, SourceStore } from '../../services/source-store.ts';
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';
import { statement } from './statement.ts';

const VERSIONS = statement('source-versions');

export function sourceStore(pool: Pool): SourceStore {
  const read = async (from: number, source: ResourceKey | null): Promise<readonly SourceRow[]> => {
    const { rows } = await pool
      .query<{ source: ResourceKey; version: number; leaf: LeafIndex; body: Buffer }>(VERSIONS, [from, source])
      .catch(storeError);
    return rows;
  };
  return { from: (leaf) => read(leaf, null), of: (source) => read(0, source) };
}
