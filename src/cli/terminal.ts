/**
 * Standard output and standard error of a command. Whoever reads them may go away (`| head`, a Ctrl-C that ends `tee` first) and the
 * disk behind them may fill up: neither is an error inside the program. Commands that only print end at their next line; all others,
 * the gateway first, do their work to its end.
 */
import { fstatSync, writeSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { EXIT, type CliContext } from './command.ts';

/** Thrown by `out` to a command that only prints, so that it ends by its own way out. */
export class OutputClosed extends Error {
  constructor() {
    super('nobody reads the output any more');
    this.name = 'OutputClosed';
  }
}

export interface Terminal extends Pick<CliContext, 'out' | 'err'> {
  /** The exit code of a command that ended with `code`: another where its output was lost. */
  readonly exitCode: (code: number) => number;
}

/**
 * `onlyPrints`: the command is done for when its output is. Faults of `stdout` that come after the last line are asked for by `exitCode` again
 * when the process ends.
 */
export function openTerminal(stdout: Writable, stderr: Writable, onlyPrints: boolean): Terminal {
  let lost: Error | undefined;
  let told = false;
  stdout.on('error', (error: Error) => (lost ??= error));
  stderr.on('error', () => {});
  const err = (line: string): void => void stderr.write(`${line}\n`);
  return {
    out: (line) => {
      if (lost === undefined) stdout.write(`${line}\n`);
      else if (onlyPrints) throw new OutputClosed();
    },
    err,
    exitCode: (code) => {
      if (lost === undefined) return code;
      if ('code' in lost && lost.code === 'EPIPE') return onlyPrints ? EXIT.unread : code;
      if (!told) err('anamnesis: standard output could not be written; what is missing there is lost');
      told = true;
      return code === EXIT.ok || code === EXIT.unread ? EXIT.failed : code;
    },
  };
}

/** Where the log of a gateway goes: standard output, and nowhere while that cannot be written. Never throws, never waits. */
export function logOutput(stdout: Writable): { write(line: string): void } {
  if (!fstatSync(1).isFIFO() && !fstatSync(1).isSocket()) {
    return {
      write: (line) => {
        try {
          writeSync(1, line);
        } catch {
          // A full disk: the gateway says so by its readiness and metrics, and has better uses for what is left of it.
        }
      },
    };
  }
  return {
    write: (line) => {
      if (stdout.writable) stdout.write(line);
    },
  };
}
