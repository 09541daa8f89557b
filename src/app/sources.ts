/** The sources of HL7 v2 messages that a process, or a thread of it, knows; and what changes them. */
import type { Config } from '../config/config.ts';
import { systemClock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import { systemRandom } from '../core/random.ts';
import type { KeySet } from '../keys/key-set.ts';
import { builtInSource } from '../normalize/hl7v2/source-definition.ts';
import { makeSourceProfile } from '../normalize/hl7v2/source-profile.ts';
import { documentSigner } from '../record/document.ts';
import type { KeepSourceDeps } from '../services/keep-source.ts';
import { openSourceRegistry, type SourceRegistry } from '../services/source-registry.ts';
import type { Pool } from '../storage/pg/pool.ts';
import { sourceStore } from '../storage/pg/source-store.ts';
import type { OpenedWriter, JoinedWriter } from '../write/open-writer.ts';

/** How often a process looks for new versions, milliseconds. */
const EVERY_MS = 1_000;

/** Opened in the main thread and in every intake thread for itself. Throws `unavailable`, `integrity`. */
export async function openSources(
  config: Config,
  parts: { readonly pool: Pool; readonly log: Log } & Pick<JoinedWriter, 'keyring'>,
): Promise<SourceRegistry> {
  return openSourceRegistry({
    store: sourceStore(parts.pool),
    keyring: parts.keyring,
    log: parts.log,
    builtIn: builtInSource(makeSourceProfile(config.source), config.source.processingIds),
    rules: { unknown: config.unknownSources, unboundClients: config.unboundClients },
    everyMs: EVERY_MS,
  });
}

/** What keeps new versions of sources in the ledger. */
export function sourceKeeper(
  config: Config,
  parts: { readonly pool: Pool; readonly keys: KeySet } & Pick<OpenedWriter, 'keyring' | 'committer'>,
): KeepSourceDeps {
  return {
    store: sourceStore(parts.pool),
    keyring: parts.keyring,
    committer: parts.committer,
    sign: documentSigner(parts.keys.sign),
    random: systemRandom,
    clock: systemClock,
    defaultName: config.source.name,
  };
}
