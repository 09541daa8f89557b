/**
 * Several processes of one witness on one database, asked at once for two histories of one log: whatever the order, what all of
 * them sign together is one tree, and each answer was durable when it was given.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import { EMPTY_POLICY } from '../../../src/ledger/policy.ts';
import { createWitness, type Witness } from '../../../src/replication/witness.ts';
import { trustOf } from '../../../src/replication/trust.ts';
import { checkpointStore } from '../../../src/storage/pg/checkpoint-store.ts';
import { openPool, type Pool } from '../../../src/storage/pg/pool.ts';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.ts';
import { noteSigner } from '../../unit/ledger/support.ts';
import { TestLog } from '../../unit/replication/support.ts';

const PROCESSES = 4;
const ROUNDS = 25;
const SIZES = [7, 12, 19, 33, 40, 64, 70];

let database: TestDatabase;
let pools: Pool[];
beforeAll(async () => {
  database = await createTestDatabase();
  pools = Array.from({ length: PROCESSES }, () =>
    openPool(database.config, { max: 2, statementTimeoutMs: 0 }, () => {}),
  );
});
afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.end()));
  await database.drop();
});

it('sign one tree together', { timeout: 120_000 }, async () => {
  const signer = noteSigner('peer.example/anamnesis/witness');
  for (let round = 0; round < ROUNDS; round += 1) {
    const log = new TestLog(`log-${round}.example/anamnesis`, 80);
    // The same up to leaf 10: forks of the first sizes are not yet forks.
    const fork = new TestLog(log.origin, 80, {
      signer: log.signer,
      digests: log.digests.map((digest, i) => (i < 10 ? digest : Buffer.alloc(32, i))),
    });
    const trust = trustOf(
      { ...EMPTY_POLICY, logs: [{ key: log.key, url: undefined }] },
      () => false,
      async () => false,
    );
    const witnesses: Witness[] = pools.map((pool) =>
      createWitness({
        trust,
        store: checkpointStore(pool, 'witness'),
        clock: systemClock,
        signer,
        onEquivocation: () => {},
      }),
    );
    const signed: { readonly size: number; readonly root: Buffer }[] = [];
    const press = async (witness: Witness, history: TestLog): Promise<void> => {
      let known = 0;
      for (const size of SIZES) {
        for (let attempt = 0; attempt < 3; attempt += 1) {
          if (known > size) break;
          const answer = await witness.addCheckpoint(await history.addCheckpoint(known, size));
          if (answer.status === 200) {
            signed.push({ size, root: history.root(size) });
            const { rows } = await (pools[0] as Pool).query<{ size: number }>(
              `select size from accepted_checkpoint where role = 'witness' and origin = $1`,
              [log.origin],
            );
            expect(rows[0]?.size).toBeGreaterThanOrEqual(size);
            known = size;
            break;
          }
          if (answer.status !== 409) return;
          known = answer.size;
        }
      }
    };
    await Promise.all(witnesses.flatMap((witness) => [press(witness, log), press(witness, fork)]));
    expect(signed.length).toBeGreaterThan(0);
    const ofLog = signed.every(({ size, root }) => root.equals(log.root(size)));
    const ofFork = signed.every(({ size, root }) => root.equals(fork.root(size)));
    expect(ofLog || ofFork).toBe(true);
  }
});
