/**
 * The commit store behind two checks that a rolled-back database cannot pass: the restore rule has not found it shorter than
 * what peers have cosigned, and its head is never behind one that this process has seen committed. Signing on from there
 * would fork the log.
 */
import { GatewayError } from '../core/errors.ts';
import type { CommitStore } from '../write/ports.ts';

/** `check` throws when nothing may be written. */
export function guardCommits(store: CommitStore, check: () => void): CommitStore {
  let seen = 0;
  return {
    ...store,
    commit(items, append) {
      return store.commit(items, (head, log) => {
        check();
        // A locked head is a committed one: a smaller one later means that commits were lost.
        if (head.size < seen) {
          throw new GatewayError('integrity', 'the database has lost commits: it was rolled back under this process');
        }
        seen = head.size;
        return append(head, log);
      });
    },
  };
}
