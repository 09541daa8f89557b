/**
 * A writer and an instance feed in memory, with the writer's rules for control ids: for tests of what stands before and
 * behind the writer. Not a model of the ledger.
 */
import { GatewayError } from '../../src/core/errors.ts';
import type { LeafIndex } from '../../src/core/ids.ts';
import type { CursorStore, InstanceFeed } from '../../src/followers/ports.ts';
import type { Accepted, Submission, Writer } from '../../src/write/submission.ts';

export interface FakeLedger {
  readonly writer: Writer;
  readonly feed: InstanceFeed;
  readonly cursors: CursorStore;
  /** By leaf. */
  readonly submissions: Submission[];
  readonly cursor: () => number;
  /** Set: the next submissions throw it. */
  fault: GatewayError | undefined;
}

export function fakeLedger(): FakeLedger {
  const submissions: Submission[] = [];
  const byControl = new Map<string, number>();
  let cursor = 0;
  const ledger: FakeLedger = {
    submissions,
    fault: undefined,
    cursor: () => cursor,
    writer: {
      submit: async (submission): Promise<Accepted> => {
        await new Promise((resolve) => setImmediate(resolve));
        if (ledger.fault !== undefined) throw ledger.fault;
        const { control, content, uniqueControl } = submission;
        const earlier = control === undefined ? undefined : byControl.get(control);
        if (earlier !== undefined) {
          const same = Buffer.from(submissions[earlier]?.content ?? []).equals(Buffer.from(content ?? []));
          if (same) return { leaf: earlier as LeafIndex, replayed: true, answer: undefined, results: [] };
          if (uniqueControl === true)
            throw new GatewayError('conflict', 'an object with this identifier but other content was stored before');
        }
        const leaf = submissions.push(submission) - 1;
        if (control !== undefined) byControl.set(control, leaf);
        return { leaf: leaf as LeafIndex, replayed: false, answer: undefined, results: [] };
      },
    },
    feed: {
      after: async (from, limit) =>
        submissions
          .map((submission, leaf) => ({
            leaf: leaf as LeafIndex,
            thread: submission.thread?.join('/') ?? '',
            kind: submission.kind,
          }))
          .filter((row) => row.leaf >= from && row.kind === 'dicom-instance')
          .slice(0, limit),
      async *ofThread(_permit, thread, from) {
        for (const [leaf, submission] of submissions.entries()) {
          if (leaf < from || submission.thread?.join('/') !== thread || submission.raw === undefined) continue;
          yield { leaf: leaf as LeafIndex, raw: submission.raw.bytes };
        }
      },
    },
    cursors: {
      load: async () => cursor as LeafIndex,
      save: async (_name, next) => {
        cursor = next;
      },
    },
  };
  return ledger;
}
