/** The release gate over a database that a test replaces, rolls back or forks. */
import { afterEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/core/log.ts';
import { guardCommits } from '../../../src/replication/guard-commits.ts';
import { openReleaseGate, type CommittedHead, type ReleaseGate } from '../../../src/replication/release-gate.ts';
import type { RestoreVerdict } from '../../../src/replication/restore-rule.ts';
import type { CommitStore } from '../../../src/write/ports.ts';

const root = (fill: number): Buffer => Buffer.alloc(32, fill);
const gates: ReleaseGate[] = [];
afterEach(() => gates.splice(0).forEach((gate) => gate.close()));

interface Database {
  identity: string;
  /** Roots by size; the last one is the head. */
  heads: CommittedHead[];
  verdict: RestoreVerdict;
}

async function open(database: Database, watchMs = 1_000_000): Promise<ReleaseGate> {
  const gate = await openReleaseGate({
    ask: async () => database.verdict,
    identity: async () => database.identity,
    head: async () => database.heads.at(-1),
    rootAt: async (size) => database.heads.find((head) => head.size === size)?.root,
    log: silentLog,
    againMs: 1_000_000,
    watchMs,
  });
  gates.push(gate);
  return gate;
}

const database = (): Database => ({
  identity: 'one',
  heads: [
    { size: 3, root: root(3) },
    { size: 5, root: root(5) },
  ],
  verdict: { kind: 'go-on' },
});

describe('the release gate', () => {
  it('asks the rule again when the database is another one, and keeps closed while too few answer', async () => {
    const of = database();
    const gate = await open(of);
    gate.checkHead({ size: 5, root: root(5) });
    of.identity = 'two';
    of.verdict = { kind: 'too-few', answers: 0 };
    await expect(gate.check()).rejects.toMatchObject({ code: 'unavailable' });
    expect(gate.state()).toBe('withheld');
    expect(() => gate.checkIntake()).not.toThrow();
    of.identity = 'three';
    of.verdict = { kind: 'go-on' };
    await gate.check();
    expect(gate.state()).toBe('open');
  });

  it.each([
    ['has fewer leaves', (of: Database) => of.heads.pop()],
    ['has other leaves below its head', (of: Database) => (of.heads = [{ size: 5, root: root(9) }])],
    [
      'is longer but not the same',
      (of: Database) =>
        (of.heads = [
          { size: 5, root: root(9) },
          { size: 8, root: root(8) },
        ]),
    ],
  ])('closes for good when the database that answers now %s, whatever peers say', async (_, change) => {
    const of = database();
    const gate = await open(of);
    gate.checkHead({ size: 5, root: root(5) });
    of.identity = 'two';
    change(of);
    await expect(gate.check()).rejects.toMatchObject({ code: 'integrity' });
    expect(() => gate.checkIntake()).toThrow(/lost commits/);
    of.heads = [{ size: 5, root: root(5) }];
    await expect(gate.check()).rejects.toMatchObject({ code: 'integrity' });
  });

  it('notices by itself, without a commit and without a question', async () => {
    const of = database();
    const gate = await open(of, 1);
    gate.committed({ size: 5, root: root(5) });
    of.heads.pop();
    while (gate.state() !== 'rolled-back') await new Promise((resolve) => setTimeout(resolve, 1));
    expect(() => gate.checkIntake()).toThrow(/lost commits/);
  });

  it('stands before every commit', async () => {
    const of = database();
    const gate = await open(of);
    const head = { size: 5, root: root(5), compact: Buffer.alloc(0), block: 1, checkpoint: '' };
    let locked = head;
    const appended = {
      head: { ...head, size: 6, root: root(6) },
      firstLeaf: 5,
      root: root(6),
      prev: root(0),
      tiles: [],
    };
    const store = guardCommits(
      {
        head: async () => locked,
        async commit(_items, append) {
          (await append(locked, { digests: async () => [], tile: async () => undefined })).sign();
          return { kind: 'committed', firstLeaf: locked.size };
        },
      } as CommitStore,
      gate,
    );
    const commit = (): Promise<unknown> => store.commit([], async () => ({ sign: () => appended }));
    await commit();
    // The same head again: what was just committed is gone.
    await expect(commit()).rejects.toMatchObject({ code: 'integrity' });
    locked = { ...head, size: 7 };
    await expect(commit()).rejects.toMatchObject({ code: 'integrity' });
  });
});
