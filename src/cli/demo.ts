/**
 * `anamnesis demo`: a sample day through the real sockets of a gateway of its own, in a temporary folder on free ports. Shows
 * what comes in, the same patient read back, the refusal after the patient's Consent, the audit trail of both, and a
 * verified receipt. Ends by itself; exit code 0 only when every step came out as it should.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGateway } from '../app.ts';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/config.ts';
import { systemClock } from '../core/clock.ts';
import { systemRandom } from '../core/random.ts';
import { issueToken, type TokenRequest } from '../identity/sign-token.ts';
import { pinoLog } from '../storage/pino-log.ts';
import { EXIT, UsageError, type CliContext, type Command } from './command.ts';
import { playDay } from './demo-day.ts';
import { keyProvider } from './keys.ts';

export const demo: Command = async (args, context) => {
  if (args.length > 0) throw new UsageError('demo takes no arguments');
  const folder = mkdtempSync(join(tmpdir(), 'anamnesis-demo-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  try {
    return await run(demoConfig(folder), folder, context);
  } finally {
    remove();
  }
};

/** Defaults, free ports and a folder of its own; nothing of the caller's settings, so that the demo touches nothing of theirs. */
function demoConfig(folder: string): Config {
  chmodSync(folder, 0o711);
  const dataDir = join(folder, 'data');
  const passphraseFile = join(folder, 'passphrase');
  writeFileSync(passphraseFile, 'a passphrase for one demo\n', { mode: 0o600 });
  const env = {
    HTTP_PORT: '0',
    MLLP_PORT: '0',
    DICOM_PORT: '0',
    DATA_DIR: dataDir,
    KEY_PASSPHRASE_FILE: passphraseFile,
  };
  const loaded = loadConfig({ ...env, GATEWAY_ORIGIN: 'demo.example/anamnesis', FREE_DISK_FLOOR_BYTES: '0' }, folder);
  if ('errors' in loaded) throw new UsageError(loaded.errors.join('\n'), EXIT.config);
  return loaded.config;
}

async function run(config: Config, folder: string, { out }: CliContext): Promise<number> {
  out('Starting a gateway of its own: embedded Postgres, keys, ledger, listeners on free ports ...');
  const log = pinoLog('error', { write: (line) => void process.stderr.write(line) });
  const gateway = await startGateway(config, log);
  try {
    const { keySet } = await keyProvider(config).load({ create: false });
    const issuer = { origin: config.origin, audience: config.tokenAudience, key: keySet.issuer };
    const token = (request: TokenRequest): Promise<string> => issueToken(issuer, request, systemClock, systemRandom);
    const ok = await playDay({ addresses: gateway.addresses, config, folder, token, out });
    out(
      ok
        ? '\nAll of it came out as it should. The folder is removed again; `npm start` begins your own.'
        : '\nSomething did not come out as it should; see above.',
    );
    return ok ? EXIT.ok : EXIT.failed;
  } finally {
    await gateway.close();
  }
}
