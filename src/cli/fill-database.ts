/**
 * Fills an empty database from the ledger in another: for `rebuild`, and for `begin-log`, where the log that comes out is another
 * one, which holds the same documents at the same places and then the last known checkpoint of the log that it follows.
 */
import type { Config } from '../config/config.ts';
import { systemClock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { ed25519PublicKey, firstOrigin, firstSignKey, mastersOf, signKeysOf, type KeySet } from '../keys/key-set.ts';
import { signCheckpoint } from '../ledger/checkpoint.ts';
import { documentSigner } from '../record/document.ts';
import { noticeBody } from '../record/notice.ts';
import { rebuild, type RebuildSummary } from '../services/rebuild.ts';
import { rebuiltKeys } from '../services/rebuilt-keys.ts';
import { commitStore } from '../storage/pg/commit-store.ts';
import { copyNetworkState, forgetSignatures } from '../storage/pg/copy-network.ts';
import { derivationStore } from '../storage/pg/derivation-store.ts';
import { withLedgerSource } from '../storage/pg/ledger-source.ts';
import { migrate } from '../storage/pg/migrate.ts';
import { applyPeerCheckpoints } from '../storage/pg/notice-store.ts';
import { openLog } from '../storage/pg/open-log.ts';
import type { Pool } from '../storage/pg/pool.ts';
import { keyStore } from '../storage/pg/prepare-store.ts';
import { commitAlone } from '../write/commit-alone.ts';
import { emptyItem } from '../write/ports.ts';
import { progressBar } from './progress.ts';

/** A log that follows the one that is read. */
export interface Succession {
  readonly origin: string;
  /** With the log key of the new log. */
  readonly keySet: KeySet;
  /** The last known checkpoint of the log that is given up: a signed note. */
  readonly checkpoint: string;
}

export interface Filling {
  readonly config: Config;
  readonly keySet: KeySet;
  /** Absent: the log stays the one it is. */
  readonly succession?: Succession;
}

/** Durable on return. Goes on where it was interrupted. Throws `conflict` when the database to fill holds another ledger. */
export async function fillDatabase(filling: Filling, from: Pool, into: Pool): Promise<RebuildSummary> {
  const { config, keySet, succession } = filling;
  await migrate(into);
  const log = succession ?? { origin: config.origin, keySet };
  const { size } = await openLog(into, log.origin, log.keySet.fingerprint);
  const derivation = derivationStore(into);
  // One that was interrupted goes on where it was.
  if (size > 0 && (await derivation.load()) === undefined)
    throw new GatewayError('conflict', 'the database to fill holds a ledger already; give an empty one');
  const now = (): number => systemClock.now();
  let bar: ReturnType<typeof progressBar> | undefined;
  try {
    const signer = succession && { name: succession.origin, ...succession.keySet.log };
    const summary = await withLedgerSource(from, (source) =>
      rebuild({
        source,
        target: commitStore(into),
        keys: rebuiltKeys(keyStore(into), mastersOf(keySet)),
        derivation,
        origin: firstOrigin(keySet, config.origin),
        ...(signer === undefined ? {} : { sign: (at, root) => signCheckpoint(signer.name, at, root, signer) }),
        master: keySet.master,
        retired: keySet.history.master,
        renewed: keySet.renewed,
        signPublicKey: ed25519PublicKey(firstSignKey(keySet)),
        signKeys: signKeysOf(keySet),
        progress: (done) => (bar ??= progressBar(process.stderr, done.size, now)).update(done.leaf, 'leaves replayed'),
      }),
    );
    await copyNetworkState(from, into);
    await applyPeerCheckpoints(into);
    if (succession !== undefined) await succeed(succession, into, summary);
    await derivation.end();
    return summary;
  } finally {
    bar?.end();
  }
}

/** What others have signed was of the other log; the first leaf that only this one has is what they signed last. */
async function succeed({ origin, keySet, checkpoint }: Succession, into: Pool, read: RebuildSummary): Promise<void> {
  await forgetSignatures(into);
  const store = commitStore(into);
  if ((await store.head()).size > read.documents) return;
  const notice = { kind: 'checkpoint', note: checkpoint } as const;
  const { digest, bytes } = documentSigner(keySet.sign)(noticeBody(notice));
  await commitAlone(store, keySet, origin, { ...emptyItem(), documents: [{ digest, body: bytes }], notice });
  await applyPeerCheckpoints(into);
}
