/** What the `anamnesis messages` commands work with: the stored ledger of the configured gateway, and a writer over it. */
import { userInfo } from 'node:os';
import { messageCare } from '../app/messages.ts';
import { policyOf } from '../app/policy-file.ts';
import { openSources } from '../app/sources.ts';
import type { Config } from '../config/config.ts';
import { systemClock } from '../core/clock.ts';
import { silentLog } from '../core/log.ts';
import type { Principal } from '../core/principal.ts';
import { systemRandom } from '../core/random.ts';
import { ownIssuerName } from '../identity/own-issuer.ts';
import { movingDocuments } from '../services/move-documents.ts';
import { levelAt } from '../replication/levels.ts';
import { mirroredSize, type Level } from '../replication/own-log.ts';
import { patientIds } from '../services/patient-ids.ts';
import { accessRecorder } from '../services/record-access.ts';
import type { ReprocessDeps } from '../services/reprocess-message.ts';
import type { ShowRawDeps } from '../services/show-raw.ts';
import { isBlobNamed } from '../storage/pg/follower-store.ts';
import { recordStore } from '../storage/pg/record-store.ts';
import { signatureStore } from '../storage/pg/signature-store.ts';
import { withStoredWriter } from './stored-writer.ts';

export interface MessageCare extends ReprocessDeps, ShowRawDeps {
  /** How far a leaf has come in the network, by what peers have signed and the policy file of now. */
  readonly levelOf: (leaf: number) => Promise<Level>;
}

/** Opens for one command, beside a running gateway or without one. Throws as `openStoredLedger`. */
export async function withMessages<T>(config: Config, work: (care: MessageCare) => Promise<T>): Promise<T> {
  return withStoredWriter(config, async ({ pool, blobs, writer, keyring }) => {
    const log = silentLog;
    const common = { clock: systemClock, random: systemRandom };
    const patients = patientIds({ records: recordStore(pool), keyring });
    const recorder = accessRecorder({ writer, patients, ...common, origin: config.origin });
    const isNamed = (digest: Uint8Array): Promise<boolean> => isBlobNamed(pool, digest);
    const moving = movingDocuments({ blobs, isBlobNamed: isNamed, random: systemRandom }, writer);
    const sources = await openSources(config, { pool, keyring, log });
    try {
      const levelOf = async (leaf: number): Promise<Level> => {
        const kept = await signatureStore(pool).load();
        const mirrored = mirroredSize(policyOf(config), kept, config.mirrorBlobs);
        return levelAt({ durable: leaf + 1, mirrored, witnessed: kept.published?.size ?? 0 }, leaf);
      };
      return await work({ ...messageCare({ pool, keyring, writer: moving, sources, log }), recorder, levelOf });
    } finally {
      sources.close();
    }
  });
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

/** The same for a manifest. */
export function operatorName(config: Config): Readonly<Record<string, string>> {
  const { issuer, subject, client = '' } = operator(config);
  return { issuer, subject, client };
}
