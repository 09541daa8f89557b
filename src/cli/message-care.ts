/** What the `anamnesis messages` commands work with: the stored ledger of the configured gateway, and a writer over it. */
import { userInfo } from 'node:os';
import { openSources } from '../app/sources.ts';
import { systemClock } from '../core/clock.ts';
import { silentLog } from '../core/log.ts';
import type { Principal } from '../core/principal.ts';
import { systemRandom } from '../core/random.ts';
import { messageCare } from '../app/messages.ts';
import type { Config } from '../config/config.ts';
import { ownIssuerName } from '../identity/own-issuer.ts';
import { movingDocuments } from '../services/move-documents.ts';
import { patientIds } from '../services/patient-ids.ts';
import { accessRecorder } from '../services/record-access.ts';
import type { ReprocessDeps } from '../services/reprocess-message.ts';
import type { ShowRawDeps } from '../services/show-raw.ts';
import { commitStore } from '../storage/pg/commit-store.ts';
import { isBlobNamed } from '../storage/pg/follower-store.ts';
import { openLog } from '../storage/pg/open-log.ts';
import { keyStore, prepareStore } from '../storage/pg/prepare-store.ts';
import { recordStore } from '../storage/pg/record-store.ts';
import { openWriter } from '../write/open-writer.ts';
import { openStoredLedger } from './stored-ledger.ts';

export type MessageCare = ReprocessDeps & ShowRawDeps;

/** Opens for one command, beside a running gateway or without one. Throws as `openStoredLedger`. */
export async function withMessages<T>(config: Config, work: (care: MessageCare) => Promise<T>): Promise<T> {
  const ledger = await openStoredLedger(config);
  try {
    const { pool, keySet, blobs } = ledger;
    const { secret } = await openLog(pool, config.origin, keySet.fingerprint);
    const { writer, keyring, committer } = await openWriter({
      origin: config.origin,
      keys: keySet,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      prepareStore: prepareStore(pool),
      keyStore: keyStore(pool),
      commitStore: commitStore(pool, { fingerprint: keySet.fingerprint, onFenced: () => {} }),
      sealedSecret: secret,
      onCommitted: () => {},
    });
    const patients = patientIds({ records: recordStore(pool), keyring });
    const recorder = accessRecorder({
      writer,
      patients,
      clock: systemClock,
      random: systemRandom,
      origin: config.origin,
    });
    const moving = movingDocuments(
      { blobs, isBlobNamed: (digest) => isBlobNamed(pool, digest), random: systemRandom },
      writer,
    );
    const sources = await openSources(config, { pool, keyring, log: silentLog });
    const care = messageCare({ pool, keyring, writer: moving, sources, log: silentLog });
    try {
      return await work({ ...care, recorder });
    } finally {
      sources.close();
      await committer.idle();
    }
  } finally {
    await ledger.close();
  }
}

/** The person at the terminal, for the audit trail: an account of this machine that can read the key file. */
export function operator(config: Config): Principal {
  return {
    issuer: ownIssuerName(config.origin),
    subject: userInfo().username,
    role: 'system',
    client: 'anamnesis-cli',
    purpose: 'HOPERAT',
    scopes: [],
    ownInstitution: true,
  };
}
