/** What a command of the `anamnesis` program is, and the little that commands share. */
import type { Environment } from '../config/load.ts';

/** Exit codes: BSD sysexits where one fits; `unread` is what the shell says of a program that SIGPIPE ended. */
export const EXIT = { ok: 0, failed: 1, usage: 64, unavailable: 69, config: 78, unread: 141 } as const;

export interface CliContext {
  /** The environment, with the `.env` of the working directory beneath it. */
  readonly env: Environment;
  readonly cwd: string;
  /** Writes one line to standard output. */
  readonly out: (line: string) => void;
  /** Writes one line to standard error. */
  readonly err: (line: string) => void;
}

/** Runs to its end and resolves with the exit code. */
export type Command = (args: readonly string[], context: CliContext) => Promise<number>;

/** A fault that the person at the terminal can mend: printed without a stack, then the exit code. */
export class UsageError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.usage) {
    super(message);
    this.name = 'UsageError';
    this.exitCode = exitCode;
  }
}

/**
 * Arguments with the value of each named option joined to it (`--name=value`): keys are base64url and may begin with a dash,
 * which `parseArgs` of node:util would take for an option.
 */
export function joinOptionValues(args: readonly string[], names: readonly string[]): string[] {
  const joined: string[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const takesValue = names.some((name) => args[at] === `--${name}`) && at + 1 < args.length;
    joined.push(takesValue ? `${args[at]}=${args[at + 1]}` : args[at]);
    if (takesValue) at += 1;
  }
  return joined;
}
