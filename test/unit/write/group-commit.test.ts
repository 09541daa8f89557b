import { describe, expect, it } from 'vitest';
import { GatewayError, type ErrorCode } from '../../../src/core/errors.ts';
import { silentLog } from '../../../src/core/log.ts';
import type { Appender } from '../../../src/write/append.ts';
import {
  groupCommitter,
  type Committed,
  type GroupCommitter,
  type ItemOutcome,
} from '../../../src/write/group-commit.ts';
import { claimsOf, columnsOf } from '../../../src/storage/pg/packed-item.ts';
import type { CommitItem, CommitStore, GrownTree, LogHead, PackedItem } from '../../../src/write/ports.ts';

/** A control id is stored as a UUID: here one that can be read back. */
const uuidOf = (name: string): string => {
  const hex = Buffer.from(name.padEnd(16, '.')).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
};

function item(control: string, over: Partial<CommitItem> = {}): CommitItem {
  return {
    documents: [{ digest: Buffer.alloc(32), body: Buffer.from(control) }],
    manifest: 0,
    payloads: [],
    lockboxes: [],
    patients: [],
    consentPatients: [],
    aliases: [],
    records: [],
    tokens: [],
    message: { control: uuidOf(control), digest: uuidOf(control), thread: undefined },
    ...over,
  };
}

const HEAD: LogHead = { size: 0, root: Buffer.alloc(32), compact: Buffer.alloc(0), block: 0, checkpoint: '' };
const controlOf = (given: CommitItem | PackedItem): string => {
  const hex = 'layout' in given ? columnsOf(given, 'message')[0][0].toString('hex') : (given.message?.control ?? '');
  return Buffer.from(hex.replaceAll('-', ''), 'hex').toString().replaceAll('.', '');
};

/** A store in memory; `fault` decides what becomes of a group before or after it is stored. */
class MemoryStore implements CommitStore {
  readonly groups: string[][] = [];
  readonly stored: string[] = [];
  fault: (controls: readonly string[]) => Promise<void> | void = () => {};
  losers: (controls: readonly string[]) => number[] = () => [];

  async head(): Promise<LogHead> {
    return HEAD;
  }

  readonly claims = claimsOf;

  async commit(
    items: readonly (CommitItem | PackedItem)[],
    append: (head: LogHead, log: never) => Promise<GrownTree>,
  ): ReturnType<CommitStore['commit']> {
    const controls = items.map(controlOf);
    this.groups.push(controls);
    await this.fault(controls);
    const losers = this.losers(controls);
    if (losers.length > 0) return { kind: 'conflict', losers: new Set(losers) };
    const { firstLeaf } = (await append({ ...HEAD, size: this.stored.length }, undefined as never)).sign();
    this.stored.push(...controls);
    return { kind: 'committed', firstLeaf };
  }
}

const appender: Appender = {
  append: async (head) => ({
    sign: () => ({ head, firstLeaf: head.size, root: head.root, prev: Buffer.alloc(32), tiles: [] }),
  }),
};

function setUp(): { store: MemoryStore; committer: GroupCommitter; commits: Committed[] } {
  const store = new MemoryStore();
  const commits: Committed[] = [];
  return {
    store,
    commits,
    committer: groupCommitter({ store, appender, log: silentLog, onCommitted: (commit) => commits.push(commit) }),
  };
}

const settle = (all: readonly Promise<ItemOutcome>[]): Promise<(ItemOutcome | ErrorCode)[]> =>
  Promise.all(all.map((one) => one.catch((error: GatewayError) => error.code)));

describe('groupCommitter', () => {
  it('commits together what waits, and tells each its own first leaf', async () => {
    const { store, committer, commits } = setUp();
    const two = item('b', { documents: [0, 1].map(() => ({ digest: Buffer.alloc(32), body: Buffer.alloc(0) })) });
    const outcomes = await settle([item('a'), two, item('c')].map((each) => committer.commit(each)));
    expect(store.groups).toEqual([['a', 'b', 'c']]);
    expect(outcomes).toEqual([0, 1, 3].map((firstLeaf) => ({ kind: 'committed', firstLeaf })));
    expect(commits).toMatchObject([{ items: 3, leaves: 4 }]);
  });

  it('one that the store refuses sinks alone, after few tries', async () => {
    const { store, committer } = setUp();
    store.fault = (controls) => {
      if (controls.includes('poison')) throw new GatewayError('internal', 'refused');
    };
    const controls = [
      ...Array.from({ length: 40 }, (_, i) => `m${i}`),
      'poison',
      ...Array.from({ length: 40 }, (_, i) => `n${i}`),
    ];
    const outcomes = await settle(controls.map((control) => committer.commit(item(control))));
    expect(outcomes.filter((outcome) => outcome === 'internal')).toHaveLength(1);
    expect(outcomes[40]).toBe('internal');
    expect(store.stored.toSorted()).toEqual(controls.filter((control) => control !== 'poison').toSorted());
    // Bisecting: at most two commits a halving.
    expect(store.groups.length).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(controls.length)) + 1);
  });

  it('two poisonous ones sink, all others stand, and the next group is taken', async () => {
    const { store, committer } = setUp();
    store.fault = (controls) => {
      if (controls.some((control) => control.startsWith('x'))) throw new Error('not a GatewayError');
    };
    const outcomes = await settle(['a', 'x1', 'b', 'c', 'x2', 'd'].map((control) => committer.commit(item(control))));
    expect(outcomes.map((outcome) => (typeof outcome === 'string' ? outcome : outcome.kind))).toEqual([
      'committed',
      'internal',
      'committed',
      'committed',
      'internal',
      'committed',
    ]);
    expect(await committer.commit(item('later'))).toMatchObject({ kind: 'committed' });
  });

  it.each(['unavailable', 'storage-full'] as const)(
    'a store that is %s is asked once, not for every half',
    async (code) => {
      const { store, committer } = setUp();
      store.fault = () => {
        throw new GatewayError(code, 'away');
      };
      const outcomes = await settle(Array.from({ length: 16 }, (_, i) => committer.commit(item(`m${i}`))));
      expect(outcomes).toEqual(Array(16).fill(code));
      expect(store.groups).toHaveLength(1);
      store.fault = () => {};
      expect(await committer.commit(item('m1'))).toMatchObject({ kind: 'committed' });
    },
  );

  it('hands losers of a race back and commits the others', async () => {
    const { store, committer } = setUp();
    store.losers = (controls) => controls.flatMap((control, i) => (control === 'late' ? [i] : []));
    const outcomes = await settle(['a', 'late', 'b'].map((control) => committer.commit(item(control))));
    expect(outcomes.map((outcome) => (typeof outcome === 'string' ? outcome : outcome.kind))).toEqual([
      'committed',
      'conflict',
      'committed',
    ]);
    expect(store.stored).toEqual(['a', 'b']);
  });

  it('of two that claim the same in one group the first stands', async () => {
    const { store, committer } = setUp();
    const alias = [{ hash: Buffer.alloc(32, 7).toString('base64url') as never, resource: uuidOf('r') as never }];
    const outcomes = await settle(
      [item('a', { aliases: alias }), item('b', { aliases: alias }), item('a')].map((each) => committer.commit(each)),
    );
    expect(outcomes.map((outcome) => (typeof outcome === 'string' ? outcome : outcome.kind))).toEqual([
      'committed',
      'conflict',
      'conflict',
    ]);
    expect(store.stored).toEqual(['a']);
  });

  it('idle() waits for what is under way', async () => {
    const { store, committer } = setUp();
    let release = (): void => {};
    const underWay = new Promise<void>((begun) => {
      store.fault = () => {
        begun();
        return new Promise<void>((resolve) => (release = resolve));
      };
    });
    const commit = committer.commit(item('a'));
    await underWay;
    let idle = false;
    const waiting = committer.idle().then(() => (idle = true));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(idle).toBe(false);
    release();
    await Promise.all([commit, waiting]);
    expect(idle).toBe(true);
  });
});
