/** The configuration of a command, or all its errors at once and exit code 78. */
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { EXIT, UsageError, type CliContext } from './command.ts';

/** Throws a UsageError that lists every wrong setting. */
export function readSettings(context: CliContext): Config {
  const loaded = loadConfig(context.env, context.cwd);
  if ('config' in loaded) return loaded.config;
  const head = `${loaded.errors.length} wrong ${loaded.errors.length === 1 ? 'setting' : 'settings'}:`;
  const tail = '`npx anamnesis help settings` explains them all';
  throw new UsageError([head, ...loaded.errors.map((error) => `  ${error}`), tail].join('\n'), EXIT.config);
}
