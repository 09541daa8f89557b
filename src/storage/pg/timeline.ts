/** The timeline of the database: it changes with every fail-over and every restore from a backup. */
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';
import { statement } from './statement.ts';

const TIMELINE = statement('timeline');

/** Opaque; equal while the same history goes on. Throws `unavailable`. */
export async function timelineOf(pool: Pool): Promise<string> {
  return (await pool.query<{ timeline: string }>(TIMELINE).catch(storeError)).rows[0].timeline;
}
