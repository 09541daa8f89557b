/** Cursors of followers, and the threads of messages they follow (ports: followers/ports, services/instance-feed). */
import type { LeafIndex } from '../../core/ids.ts';
import type { CursorStore, InstanceRow } from '../../followers/ports.ts';
import type { ThreadPayload, ThreadStore } from '../../services/instance-feed.ts';
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';

const LOAD = 'select leaf from follower where name = $1';
const SAVE = 'insert into follower (name, leaf) values ($1, $2) on conflict (name) do update set leaf = excluded.leaf';
const AFTER = 'select leaf, thread::text from message where thread is not null and leaf >= $1 order by leaf limit $2';
/** A manifest's payloads stand together: grp = leaf * 4096 + ordinal. */
const PAYLOADS = `
  select m.leaf, p.lockbox, p.body
    from (select leaf from message where thread = $1 and leaf >= $2 order by leaf limit $3) m
    join payload p on p.grp >= m.leaf * 4096 and p.grp < (m.leaf + 1) * 4096
   where p.body is not null
   order by p.grp`;
const NAMED = 'select exists (select 1 from payload where digest = $1 and body is null) as named';

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
