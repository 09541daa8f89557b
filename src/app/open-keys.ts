/**
 * The keys of a start. A gateway that has no log yet gets a new key set; one that has a log never does: another key file in the place of
 * the lost one would open nothing, and stand in the way of its recovery.
 */
import { GatewayError } from '../core/errors.ts';
import type { KeyProvider, LoadedKeySet } from '../keys/key-provider.ts';
import { logFingerprint } from '../storage/pg/open-log.ts';
import type { Pool } from '../storage/pg/pool.ts';

/** The keys that are there, encrypted where a passphrase was set since; undefined when there are none. Throws as the provider. */
export async function keysThatAreThere(provider: KeyProvider): Promise<LoadedKeySet | undefined> {
  try {
    return await provider.load({ create: false, encrypt: true });
  } catch (thrown) {
    if (thrown instanceof GatewayError && thrown.code === 'not-found') return undefined;
    throw thrown;
  }
}

/** Keys for a database, once there were none. `place` names where they belong. Throws `not-found` where the database has a log. */
export async function newKeys(provider: KeyProvider, pool: Pool, place: string): Promise<LoadedKeySet> {
  if ((await logFingerprint(pool)) === undefined) return provider.load({ create: true });
  // Of processes that start together another one may have made them meanwhile, and begun the log.
  const made = await keysThatAreThere(provider);
  if (made !== undefined) return made;
  throw new GatewayError(
    'not-found',
    `there is no key file at ${place}, and the database holds the log of a gateway: set KEY_FILE to where its key file is, or bring it back with \`anamnesis keys recover SHARE...\``,
  );
}
