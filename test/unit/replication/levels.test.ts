import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cosignerKey } from '../../../src/ledger/cosignature.ts';
import { formatVkey } from '../../../src/ledger/note.ts';
import { parsePolicy } from '../../../src/ledger/policy.ts';
import { createLevels } from '../../../src/replication/levels.ts';
import { mirroredSize, type Level } from '../../../src/replication/own-log.ts';
import { noteSigner } from '../ledger/support.ts';

const all = new Set<Level>(['durable', 'mirrored', 'witnessed']);

describe('levels', () => {
  it('never go back, whatever is entered', () => {
    const size = fc.nat({ max: 50 });
    fc.assert(
      fc.property(
        fc.array(fc.record({ durable: size, mirrored: size, witnessed: size }, { requiredKeys: [] })),
        (updates) => {
          const levels = createLevels({ now: () => 0 }, () => all);
          for (const update of updates) {
            const before = levels.sizes;
            levels.update(update);
            for (const level of all) expect(levels.sizes[level]).toBeGreaterThanOrEqual(before[level]);
          }
        },
      ),
    );
  });

  it('are waited for, at most so long, and not at all where the policy cannot bring them', async () => {
    const levels = createLevels({ now: () => 0 }, () => all);
    levels.update({ durable: 10 });
    expect(await levels.wait(3, 'durable', 1000)).toBe('durable');
    expect(await levels.wait(3, 'witnessed', 0)).toBe('durable');
    const waiting = levels.wait(3, 'witnessed', 60_000);
    levels.update({ mirrored: 10 });
    levels.update({ witnessed: 4 });
    expect(await waiting).toBe('witnessed');
    expect([levels.of(3), levels.of(4), levels.of(10)]).toEqual(['witnessed', 'mirrored', 'durable']);
    expect(await levels.wait(9, 'witnessed', 5)).toBe('mirrored');
    expect(await createLevels({ now: () => 0 }, () => new Set()).wait(0, 'witnessed', 60_000)).toBe('durable');
  });

  it('have an age while something waits', () => {
    const time = { now: 0 };
    const levels = createLevels({ now: () => time.now }, () => all);
    levels.update({ durable: 1 });
    time.now = 3000;
    levels.update({ durable: 2 });
    expect(levels.ageSeconds('witnessed')).toBe(3);
    levels.update({ mirrored: 2, witnessed: 1 });
    time.now = 4000;
    expect([levels.ageSeconds('witnessed'), levels.ageSeconds('mirrored')]).toEqual([1, 0]);
    const alone = createLevels({ now: () => time.now }, () => new Set<Level>(['durable']));
    alone.update({ durable: 1 });
    time.now = 9000;
    expect([alone.ageSeconds('witnessed'), alone.ageSeconds('mirrored')]).toEqual([0, 0]);
  });

  it('`mirrored` is what enough mirrors have both cosigned and received', () => {
    const signers = ['a', 'b', 'c'].map((name) => noteSigner(`${name}.example/mirror`));
    const lines = signers.map((signer, i) => `witness m${i} ${formatVkey(cosignerKey(signer))}`);
    const parsed = parsePolicy(Buffer.from(`${lines.join('\n')}\ngroup mirrors 2 m0 m1 m2\nquorum mirrors\n`));
    if ('errors' in parsed) throw new Error(parsed.errors.join());
    const kept = (rows: readonly (readonly [cosigned: number, held: number, blobs: number])[]) => ({
      cosignatures: rows.map(([size], i) => ({
        cosigner: signers[i]?.name ?? '',
        size,
        root: Buffer.alloc(32),
        line: '',
        at: 0,
      })),
      receipts: rows.map(([, size, blobs], i) => ({ mirror: signers[i]?.name ?? '', size, blobs, receipt: '' })),
      published: undefined,
    });
    const rows = [
      [10, 10, 4],
      [8, 7, 7],
      [20, 3, 3],
    ] as const;
    expect(mirroredSize(parsed.policy, kept(rows), false)).toBe(7);
    expect(mirroredSize(parsed.policy, kept(rows), true)).toBe(4);
    expect(mirroredSize(parsed.policy, kept([[10, 10, 10]]), false)).toBe(0);
  });
});
