/**
 * Group commit (DESIGN section 3): prepared items wait while a commit runs; the next commit takes all that wait. Items
 * that lost a race are handed back to be prepared again; a group that fails otherwise is bisected, so that one poisonous
 * item sinks alone. Nothing here is durable until `CommitStore.commit` says so.
 */
import { asGatewayError, GatewayError } from '../core/errors.ts';
import { describeError, type Log } from '../core/log.ts';
import { HASH_BYTES } from '../ledger/merkle.ts';
import type { Appender } from './append.ts';
import type { CommitItem, CommitOutcome, CommitStore, PackedItem } from './ports.ts';

/** Items and bytes of one group at most; a larger one is split over several commits. */
const MAX_ITEMS = 1024;
const MAX_BYTES = 32 * 1024 * 1024;

export type ItemOutcome =
  | { readonly kind: 'committed'; /** Leaf of the item's first document. */ readonly firstLeaf: number }
  | { readonly kind: 'conflict' };

export interface GroupCommitter {
  /** Resolves when the item is durable and anchored, or lost its race; rejects when it cannot be written. */
  commit(item: CommitItem | PackedItem): Promise<ItemOutcome>;
  /** Resolves when nothing waits and nothing runs. */
  idle(): Promise<void>;
}

interface Waiting {
  readonly item: CommitItem | PackedItem;
  readonly resolve: (outcome: ItemOutcome) => void;
  readonly reject: (error: GatewayError) => void;
}

/** What one group commit did. */
export interface Committed {
  /** New size of the log. */
  readonly size: number;
  readonly items: number;
  readonly leaves: number;
  readonly seconds: number;
}

export interface GroupCommitDeps {
  readonly store: CommitStore;
  readonly appender: Appender;
  readonly log: Log;
  /** Told of each commit. Must not throw. */
  readonly onCommitted: (commit: Committed) => void;
}

export function groupCommitter(deps: GroupCommitDeps): GroupCommitter {
  const queue: Waiting[] = [];
  let running: Promise<void> | undefined;

  async function run(): Promise<void> {
    try {
      while (queue.length > 0) await commitGroup(deps, takeGroup(queue));
    } finally {
      // In the same turn as the look at the queue: what is queued between the two would wait for ever.
      running = undefined;
    }
  }

  return {
    commit(item) {
      return new Promise((resolve, reject) => {
        queue.push({ item, resolve, reject });
        // Started on the next turn, so that what becomes ready in this one shares the commit.
        running ??= new Promise<void>((done) => setImmediate(done)).then(run);
      });
    },
    async idle() {
      while (running !== undefined) await running;
    },
  };
}

function takeGroup(queue: Waiting[]): Waiting[] {
  let bytes = 0;
  let count = 0;
  while (count < queue.length && count < MAX_ITEMS && (count === 0 || bytes < MAX_BYTES)) {
    bytes += bytesOf(queue[count].item);
    count += 1;
  }
  return queue.splice(0, count);
}

/** About what an item takes of memory and of the connection. */
function bytesOf(item: CommitItem | PackedItem): number {
  if ('layout' in item) return item.rows.length;
  let bytes = 0;
  for (const { body } of item.payloads) bytes += body?.length ?? 0;
  return bytes;
}

async function commitGroup(deps: GroupCommitDeps, group: readonly Waiting[]): Promise<void> {
  const claimed = new Set<number>();
  const standing: Waiting[] = [];
  for (const waiting of group) {
    const { item } = waiting;
    const mine = 'layout' in item ? item.claims : deps.store.claims(item);
    if (mine.some((claim) => claimed.has(claim))) {
      waiting.resolve({ kind: 'conflict' });
      continue;
    }
    for (const claim of mine) claimed.add(claim);
    standing.push(waiting);
  }
  await commitStanding(deps, standing);
}

async function commitStanding(deps: GroupCommitDeps, group: readonly Waiting[]): Promise<void> {
  if (group.length === 0) return;
  const items = group.map(({ item }) => item);
  const startedAt = performance.now();
  let outcome: CommitOutcome;
  try {
    const digests = digestsOf(items);
    outcome = await deps.store.commit(items, (head, log) => deps.appender.append(head, log, digests));
  } catch (thrown) {
    await refuseOrBisect(deps, group, thrown);
    return;
  }
  if (outcome.kind === 'conflict') {
    const { losers } = outcome;
    group.forEach((waiting, i) => losers.has(i) && waiting.resolve({ kind: 'conflict' }));
    await commitStanding(
      deps,
      group.filter((_, i) => !losers.has(i)),
    );
    return;
  }
  let leaf = outcome.firstLeaf;
  for (const waiting of group) {
    waiting.resolve({ kind: 'committed', firstLeaf: leaf });
    leaf += documentsOf(waiting.item);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  deps.onCommitted({ size: leaf, items: group.length, leaves: leaf - outcome.firstLeaf, seconds });
}

function documentsOf(item: CommitItem | PackedItem): number {
  return 'layout' in item ? item.digests.length / HASH_BYTES : item.documents.length;
}

function digestsOf(items: readonly (CommitItem | PackedItem)[]): Buffer[] {
  const found: Buffer[] = [];
  for (const item of items) {
    if (!('layout' in item)) {
      for (const { digest } of item.documents) found.push(digest);
      continue;
    }
    const { buffer, byteOffset, length } = item.digests;
    for (let at = 0; at < length; at += HASH_BYTES) found.push(Buffer.from(buffer, byteOffset + at, HASH_BYTES));
  }
  return found;
}

async function refuseOrBisect(deps: GroupCommitDeps, group: readonly Waiting[], thrown: unknown): Promise<void> {
  const error = asGatewayError(thrown);
  // A store that is away fails every half as well: bisecting would only repeat it.
  if (group.length === 1 || error.code === 'unavailable' || error.code === 'storage-full') {
    deps.log.error({ event: 'commit-failed', code: error.code, count: group.length, ...describeError(thrown) });
    for (const waiting of group) waiting.reject(error);
    return;
  }
  deps.log.warn({ event: 'commit-bisected', count: group.length, ...describeError(thrown) });
  const half = Math.ceil(group.length / 2);
  await commitStanding(deps, group.slice(0, half));
  await commitStanding(deps, group.slice(half));
}

/** The error of an item that kept losing its race. */
export function contention(): GatewayError {
  return new GatewayError('busy', 'other messages keep changing the same records; send this one again');
}
