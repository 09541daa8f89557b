/**
 * `anamnesis keys recovery-kit` and `keys recover`: the key set in shares for several holders, any k of whom can make the key file
 * again. Needs no database and no gateway.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../core/clock.ts';
import { systemRandom } from '../core/random.ts';
import { makeRecoveryKit, recoverKeySet } from '../keys/recovery-kit.ts';
import { EXIT, UsageError, type CliContext } from './command.ts';
import { keyProvider } from './keys.ts';
import { readSettings } from './settings.ts';

export async function recoveryKit(args: readonly string[], context: CliContext): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { shares: { type: 'string', default: '5' }, threshold: { type: 'string', default: '3' } },
  });
  if (positionals.length !== 1) throw new UsageError('keys recovery-kit takes the folder for the share files');
  const folder = resolve(context.cwd, positionals[0]);
  const [shares, threshold] = [Number(values.shares), Number(values.threshold)];
  if (!Number.isInteger(shares) || !Number.isInteger(threshold) || shares > 255 || threshold < 2 || threshold > shares)
    throw new UsageError('--shares takes 2 to 255, --threshold 2 to as many');
  // Never over an older kit: its holders may have the others.
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new UsageError(`the folder ${folder} is not empty: name a new one for the kit`);
  const config = readSettings(context);
  const { keySet } = await keyProvider(config).load({ create: false });
  const settings = {
    origin: config.origin,
    shares,
    threshold,
    madeAt: new Date(systemClock.now()).toISOString(),
  };
  const texts = await makeRecoveryKit(keySet, settings, systemRandom);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  texts.forEach((text, at) => {
    writeFileSync(join(folder, `share-${at + 1}-of-${texts.length}.json`), text, { mode: 0o600, flag: 'wx' });
  });
  context.out(`${texts.length} shares in ${folder}; any ${values.threshold} of them make the key file again.`);
  context.out(
    'Give each to another holder, and keep none here. The kit holds the keys of today: make a new one after each rotation.',
  );
  return EXIT.ok;
}

export async function recover(args: readonly string[], context: CliContext): Promise<number> {
  const { positionals } = parseArgs({ args: [...args], allowPositionals: true, options: {} });
  if (positionals.length === 0) throw new UsageError('keys recover takes the share files');
  const texts = positionals.map((path) => {
    try {
      return readFileSync(resolve(context.cwd, path), 'utf8');
    } catch {
      throw new UsageError(`the file ${path} cannot be read`);
    }
  });
  const config = readSettings(context);
  const keySet = await recoverKeySet(texts);
  await keyProvider(config).save(keySet, 'create');
  context.out(`The key file is at ${config.keyFile}, fingerprint ${keySet.fingerprint}.`);
  context.out('Now start the gateway on its database, or bring that back first with `anamnesis restore`.');
  return EXIT.ok;
}
