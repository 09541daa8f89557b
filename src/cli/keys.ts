/** The key set of a command, from the configured key file. */
import type { Config } from '../config/config.ts';
import { systemRandom } from '../core/random.ts';
import type { KeyProvider } from '../keys/key-provider.ts';
import { fileKeyProvider } from '../storage/key-file.ts';

/** The provider that `config` names. */
export function keyProvider(config: Config): KeyProvider {
  const passphrase = config.keyPassphraseFile === undefined ? {} : { passphraseFile: config.keyPassphraseFile };
  return fileKeyProvider({ path: config.keyFile, ...passphrase, random: systemRandom });
}
