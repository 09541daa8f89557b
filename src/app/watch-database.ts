/**
 * Knows from memory whether the database answers, for `/readyz` and metrics: a small query every two seconds over a connection of its
 * own, so that a busy pool does not look like a lost one.
 */
import { describeError, type Log } from '../core/log.ts';
import { openPool } from '../storage/pg/pool.ts';
import type { Database } from './database.ts';
import type { Teardown } from './teardown.ts';

/** Milliseconds between two looks, and until one without an answer counts as none. */
const LOOK_MS = 2_000;
const ANSWER_MS = 5_000;

/** The database has just answered; resolves at once. Logs `database-away` and `database-back`, once each. */
export function watchDatabase(
  { access }: Pick<Database, 'access'>,
  log: Log,
  teardown: Teardown,
): { readonly answers: () => boolean } {
  const settings = { ...access.pool, max: 1, statementTimeoutMs: ANSWER_MS };
  const pool = openPool(access.login, settings, () => {});
  let answers = true;
  let looking = false;
  const look = async (): Promise<void> => {
    if (looking) return;
    looking = true;
    const late = setTimeout(() => notice(false, new Error('no answer in time')), ANSWER_MS).unref();
    try {
      await pool.query('select 1');
      notice(true);
    } catch (thrown) {
      notice(false, thrown);
    } finally {
      clearTimeout(late);
      looking = false;
    }
  };
  const notice = (now: boolean, thrown?: unknown): void => {
    if (now === answers) return;
    answers = now;
    if (now) log.info({ event: 'database-back' });
    else log.error({ event: 'database-away', ...describeError(thrown) });
  };
  const timer = setInterval(() => void look(), LOOK_MS).unref();
  teardown.add('database-watch', async () => {
    clearInterval(timer);
    await pool.end();
  });
  return { answers: () => answers };
}
