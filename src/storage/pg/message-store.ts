/** Messages as they are rendered (port: services/message-store). */
import { PAYLOADS_PER_MANIFEST, type LeafIndex } from '../../core/ids.ts';
import type { MessageStore } from '../../services/message-store.ts';
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';
import { prepareStore } from './prepare-store.ts';
import { statement } from './statement.ts';

const LEAVES = statement('record-leaves');

export function messageStore(pool: Pool): MessageStore {
  const store = prepareStore(pool);
  return {
    document: (leaf) => store.document(leaf),
    payloads: (groups) => store.payloads(groups),
    async leavesOf(resources, below, limit) {
      if (resources.length === 0) return [];
      const values = [[...new Set(resources)], below * PAYLOADS_PER_MANIFEST, limit];
      const { rows } = await pool
        .query<{ leaf: LeafIndex }>({ name: 'record-leaves', text: LEAVES, values })
        .catch(storeError);
      return rows.map(({ leaf }) => leaf);
    },
  };
}
