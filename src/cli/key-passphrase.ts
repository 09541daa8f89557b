/**
 * `anamnesis keys passphrase`: encrypts the key file under another passphrase, in one atomic step. The keys stay what they are, and
 * so do copies of the file: they open under the old passphrase for ever.
 */
import { accessSync, constants } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { systemRandom } from '../core/random.ts';
import { fileKeyProvider } from '../storage/key-file.ts';
import { EXIT, UsageError, type CliContext } from './command.ts';
import { keyProvider } from './keys.ts';
import { readSettings } from './settings.ts';

export async function passphrase(args: readonly string[], context: CliContext): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { 'new-file': { type: 'string' }, none: { type: 'boolean' } },
  });
  const file = values['new-file'];
  if ((file === undefined) === (values.none !== true)) {
    throw new UsageError('say --new-file FILE, whose first line is the new passphrase, or --none');
  }
  if (file !== undefined && !isReadable(resolve(context.cwd, file)))
    throw new UsageError(`the file ${file} cannot be read`);
  const config = readSettings(context);
  const { keySet } = await keyProvider(config).load({ create: false });
  const fresh = file === undefined ? {} : { passphraseFile: resolve(context.cwd, file) };
  await fileKeyProvider({ path: config.keyFile, ...fresh, random: systemRandom }).save(keySet, 'replace');
  if (file === undefined) {
    context.out(
      'The key file is in plain now, protected by its mode alone. Take KEY_PASSPHRASE_FILE away before the next start.',
    );
  } else {
    context.out(
      `The key file opens under the passphrase in ${file}. Set KEY_PASSPHRASE_FILE to it before the next start.`,
    );
  }
  context.out('Copies of the file made before open under the old passphrase: destroy them, or rotate the keys.');
  return EXIT.ok;
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
