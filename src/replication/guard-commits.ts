/**
 * The commit store behind the checks of the release gate, which a rolled-back database cannot pass: the restore rule has not
 * found it shorter than what peers have cosigned, and it still has every commit that this process has seen. Signing on from
 * there would fork the log.
 */
import type { CommitStore, GroupAppend } from '../write/ports.ts';
import type { ReleaseGate } from './release-gate.ts';

export function guardCommits(
  store: CommitStore,
  gate: Pick<ReleaseGate, 'checkIntake' | 'checkHead' | 'committed'>,
): CommitStore {
  return {
    ...store,
    async commit(items, append) {
      let appended: GroupAppend | undefined;
      const outcome = await store.commit(items, async (head, log) => {
        gate.checkIntake();
        // A locked head is a committed one.
        gate.checkHead(head);
        const grown = await append(head, log);
        return { sign: () => (appended = grown.sign()) };
      });
      if (outcome.kind === 'committed' && appended !== undefined) gate.committed(appended.head);
      return outcome;
    },
  };
}
