/**
 * The second half of `restore` and `import`: derives the gateway's own tables from the copy of its log that stands in the
 * mirror tables of the same database, proves that the result is what was cosigned, and drops the copy.
 */
import type { Database } from '../app/database.ts';
import type { Teardown } from '../app/teardown.ts';
import type { Config } from '../config/config.ts';
import { systemClock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { ed25519PublicKey, firstOrigin, firstSignKey, mastersOf, signKeysOf, type KeySet } from '../keys/key-set.ts';
import { rebuild } from '../services/rebuild.ts';
import { rebuiltKeys } from '../services/rebuilt-keys.ts';
import { commitStore } from '../storage/pg/commit-store.ts';
import { dropMirroredLog, mirrorSource, mirrorStore } from '../storage/pg/mirror-store.ts';
import { applyPeerCheckpoints } from '../storage/pg/notice-store.ts';
import { openLog } from '../storage/pg/open-log.ts';
import { openPool, type Pool } from '../storage/pg/pool.ts';
import { keyStore } from '../storage/pg/prepare-store.ts';
import { derivationStore } from '../storage/pg/derivation-store.ts';
import type { CliContext } from './command.ts';
import { progressBar } from './progress.ts';

/**
 * A pool whose commits do not wait for the disk: an interrupted restore goes on from what is there, and what ends it waits for
 * all of it. Closed with the rest.
 */
export function restorePool({ access }: Database, teardown: Teardown): Pool {
  const pool = openPool(access.login, { ...access.pool, statementTimeoutMs: 0, relaxed: true }, () => {});
  teardown.add('restore-pool', () => pool.end());
  return pool;
}

/**
 * `size`: leaves that the copy must have. Prints the final report. Throws `integrity` when the result is another, `conflict` where the
 * database has more of the log already.
 */
export async function fillFromCopy(
  config: Config,
  keySet: KeySet,
  pool: Pool,
  size: number,
  context: CliContext,
): Promise<void> {
  const { origin } = config;
  const copy = await mirrorStore(pool).load(origin);
  if (copy.held < size) throw new GatewayError('integrity', `the copy has ${copy.held} of ${size} documents`);
  await openLog(pool, origin, keySet.fingerprint);
  let bar: ReturnType<typeof progressBar> | undefined;
  const target = commitStore(pool);
  const before = await target.head();
  if (before.size > copy.held) {
    await dropMirroredLog(pool, origin);
    throw new GatewayError(
      'conflict',
      `this database has ${before.size} leaves of the log, and what was brought only ${copy.held}: nothing was changed; to go back to those, name an empty database`,
    );
  }
  const derivation = derivationStore(pool);
  const summary = await rebuild({
    source: mirrorSource(pool, copy.log, origin),
    target,
    keys: rebuiltKeys(keyStore(pool), mastersOf(keySet)),
    derivation,
    origin: firstOrigin(keySet, origin),
    master: keySet.master,
    retired: keySet.history.master,
    renewed: keySet.renewed,
    signPublicKey: ed25519PublicKey(firstSignKey(keySet)),
    signKeys: signKeysOf(keySet),
    progress: ({ leaf, size: total }) =>
      (bar ??= progressBar(process.stderr, total, () => systemClock.now())).update(leaf, 'leaves replayed'),
  });
  bar?.end();
  const head = await target.head();
  if (head.size < size || (head.size === copy.size && !head.root.equals(copy.root))) {
    throw new GatewayError('integrity', `the restored log has ${head.size} leaves, ${size} were cosigned`);
  }
  await applyPeerCheckpoints(pool);
  await dropMirroredLog(pool, origin);
  await derivation.end();
  const { documents, blocks, records } = summary;
  context.out(
    `restored ${records} record versions from ${documents} documents in ${blocks} blocks; the root is the cosigned one`,
  );
  context.out('`anamnesis verify` checks the whole of it; then start the gateway');
}
