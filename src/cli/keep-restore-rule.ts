/**
 * The restore rule (replication/restore-rule) for commands that write into the log without the gateway: on a database that was rolled
 * back they would sign another history than the one that peers have cosigned.
 */
import { policyOf } from '../app/policy-file.ts';
import { peerHttp } from '../clients/peer-http.ts';
import type { Config } from '../config/config.ts';
import { KEY_ED25519, verifierKey } from '../ledger/note.ts';
import { rolledBack } from '../replication/release-gate.ts';
import { askRestoreRule } from '../replication/restore-rule.ts';
import { ownLog } from '../storage/pg/own-log.ts';
import type { CommitStore } from '../write/ports.ts';
import type { StoredLedger } from './stored-ledger.ts';

/** Milliseconds that a peer has to answer. */
const DEADLINE_MS = 5_000;

/**
 * Throws `integrity` when peers have cosigned what this database does not have. Where too few answer it lets the command go on, as a
 * gateway takes work then: nothing of it leaves before the rule is kept.
 */
export async function keepRestoreRule(
  config: Config,
  { pool, keySet }: Pick<StoredLedger, 'pool' | 'keySet'>,
): Promise<void> {
  const http = peerHttp(config.peerCa === undefined ? {} : { ca: config.peerCa });
  try {
    const logKey = verifierKey(config.origin, KEY_ED25519, keySet.log.rawPublicKey);
    const policy = policyOf(config);
    const verdict = await askRestoreRule({ policy, http, log: ownLog(pool), logKey, deadlineMs: DEADLINE_MS });
    if (verdict.kind === 'behind' || verdict.kind === 'forked') throw rolledBack(verdict);
  } finally {
    http.close();
  }
}

/** A store that keeps the rule before its first commit; reads are not held up. */
export function keepingRestoreRule(
  store: CommitStore,
  config: Config,
  ledger: Pick<StoredLedger, 'pool' | 'keySet'>,
): CommitStore {
  let kept: Promise<void> | undefined;
  return {
    ...store,
    async commit(items, append) {
      await (kept ??= keepRestoreRule(config, ledger));
      return store.commit(items, append);
    },
  };
}
