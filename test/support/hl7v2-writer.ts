/** A writer in memory that knows resends by control id and bytes, as the real one does; and a service around it. */
import { systemRandom } from '../../src/core/random.ts';
import { silentLog } from '../../src/core/log.ts';
import type { LeafIndex } from '../../src/core/ids.ts';
import type { AcceptHl7v2Deps } from '../../src/services/accept-hl7v2.ts';
import { onlySource } from '../../src/services/sources.ts';
import type { Submission, Writer } from '../../src/write/submission.ts';
import { profile, RECEIVED_AT } from './hl7v2.ts';

export interface FakeWriter extends Writer {
  readonly submissions: Submission[];
  /** Replaces what `submit` does. */
  behave: ((submission: Submission) => Promise<void>) | undefined;
}

export function fakeWriter(): FakeWriter {
  const known = new Map<string, { leaf: LeafIndex; answer: string | undefined }>();
  const writer: FakeWriter = {
    submissions: [],
    behave: undefined,
    async submit(submission) {
      const key = `${submission.control}\u0000${submission.raw?.bytes.toString('hex')}`;
      const before = known.get(key);
      if (before !== undefined) return { ...before, replayed: true, results: [] };
      await writer.behave?.(submission);
      writer.submissions.push(submission);
      const accepted = { leaf: writer.submissions.length as LeafIndex, answer: submission.answer?.([]) };
      known.set(key, accepted);
      return { ...accepted, replayed: false, results: [] };
    },
  };
  return writer;
}

export function serviceDeps(writer: Writer): AcceptHl7v2Deps {
  return {
    writer,
    clock: { now: () => RECEIVED_AT },
    random: systemRandom,
    log: silentLog,
    sources: onlySource(profile()),
  };
}
