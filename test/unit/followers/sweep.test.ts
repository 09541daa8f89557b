import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import { silentLog } from '../../../src/core/log.ts';
import { startSweep, type SweepDeps } from '../../../src/followers/sweep.ts';

const DAY = 86_400_000;

function store(blobs: readonly { readonly name: number; readonly storedAt: number }[]): {
  kept: Set<number>;
  deps: SweepDeps;
} {
  const kept = new Set(blobs.map(({ name }) => name));
  return {
    kept,
    deps: {
      blobs: {
        async *list() {
          for (const { name, storedAt } of blobs) yield { digest: Buffer.alloc(32, name), size: 1, storedAt };
        },
        remove: async (digest) => void kept.delete(digest[0]),
      },
      isBlobNamed: async (digest) => digest[0] === 1,
      clock: { now: () => 30 * DAY },
      log: silentLog,
    },
  };
}

describe('sweep', () => {
  it('removes what is old and unnamed, and nothing else', async () => {
    const { kept, deps } = store([
      { name: 1, storedAt: 0 },
      { name: 2, storedAt: 0 },
      { name: 3, storedAt: 29 * DAY },
    ]);
    const sweep = startSweep(deps, { everyMs: DAY, minAgeMs: 7 * DAY });
    expect(await sweep.run()).toBe(1);
    expect([...kept]).toEqual([1, 3]);
    await sweep.close();
  });

  it('removes nothing while it cannot know what is named', async () => {
    const { kept, deps } = store([{ name: 2, storedAt: 0 }]);
    const away = {
      ...deps,
      isBlobNamed: () => Promise.reject(new GatewayError('unavailable', 'the database is away')),
    };
    const sweep = startSweep(away, { everyMs: DAY, minAgeMs: 7 * DAY });
    expect(await sweep.run()).toBe(0);
    expect(kept.size).toBe(1);
    await sweep.close();
  });
});
