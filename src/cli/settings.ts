/** The configuration of a command, or all its errors at once and exit code 78. */
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { parsePolicy } from '../ledger/policy.ts';
import { tlsErrors } from './tls-errors.ts';
import { EXIT, UsageError, type CliContext } from './command.ts';

/** Throws a UsageError that lists every wrong setting. */
export function readSettings(context: CliContext): Config {
  const loaded = loadConfig(context.env, context.cwd);
  const errors = 'config' in loaded ? [...policyErrors(loaded.config), ...tlsErrors(loaded.config)] : loaded.errors;
  if ('config' in loaded && errors.length === 0) return loaded.config;
  const head = `${errors.length} wrong ${errors.length === 1 ? 'setting' : 'settings'}:`;
  const tail = '`npx anamnesis help settings` explains them all';
  throw new UsageError([head, ...errors.map((error) => `  ${error}`), tail].join('\n'), EXIT.config);
}

/** Every wrong line of the policy file. */
function policyErrors({ ledgerPolicy }: Config): readonly string[] {
  const parsed = ledgerPolicy === undefined ? undefined : parsePolicy(ledgerPolicy);
  return parsed !== undefined && 'errors' in parsed ? parsed.errors.map((error) => `LEDGER_POLICY_FILE: ${error}`) : [];
}
