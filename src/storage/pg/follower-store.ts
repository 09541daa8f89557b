/** Cursors of followers, and the threads of messages they follow (ports: followers/ports, services/instance-feed). */
import type { LeafIndex } from '../../core/ids.ts';
import type { CursorStore, InstanceRow } from '../../followers/ports.ts';
import type { ThreadPayload, ThreadStore } from '../../services/instance-feed.ts';
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';
import { statement } from './statement.ts';

const LOAD = statement('load-cursor');
const SAVE = statement('save-cursor');
const AFTER = statement('threads-after');
const PAYLOADS = statement('thread-payloads');
const NAMED = statement('is-blob-named');

export function cursorStore(pool: Pool): CursorStore {
  return {
    async load(follower) {
      const { rows } = await pool.query<{ leaf: LeafIndex }>(LOAD, [follower]).catch(storeError);
      return rows[0]?.leaf ?? (0 as LeafIndex);
    },
    async save(follower, next) {
      await pool.query(SAVE, [follower, next]).catch(storeError);
    },
  };
}

export function threadStore(pool: Pool): ThreadStore {
  return {
    async after(from, limit) {
      return (await pool.query<InstanceRow>(AFTER, [from, limit]).catch(storeError)).rows;
    },
    async payloads(thread, from, limit) {
      return (await pool.query<ThreadPayload>(PAYLOADS, [thread, from, limit]).catch(storeError)).rows;
    },
  };
}

/** True when a manifest names a blob of this digest. */
export async function isBlobNamed(pool: Pool, digest: Uint8Array): Promise<boolean> {
  const { rows } = await pool.query<{ named: boolean }>(NAMED, [Buffer.from(digest)]).catch(storeError);
  return rows[0].named;
}
