/** What a command that failed says, and its exit code. What a person can mend is one line; a fault of ours is its call sites. */
import { getSystemErrorMap } from 'node:util';
import { GatewayError, type ErrorCode } from '../core/errors.ts';
import { describeError } from '../core/log.ts';
import { EXIT, UsageError, type CliContext } from './command.ts';
import { OutputClosed } from './terminal.ts';

/** Faults that are ours, or that nobody foresaw: their place in the program helps. */
const OURS: ReadonlySet<ErrorCode> = new Set(['internal']);

/** Prints what was thrown to standard error; the exit code for it. */
export function reportError(thrown: unknown, { err }: Pick<CliContext, 'err'>): number {
  if (thrown instanceof OutputClosed) return EXIT.unread;
  if (thrown instanceof UsageError) {
    err(`anamnesis: ${thrown.message}`);
    return thrown.exitCode;
  }
  const port = portInUse(thrown);
  if (port !== undefined) {
    err(
      `anamnesis: port ${port} is taken; set HTTP_PORT, MLLP_PORT or DICOM_PORT to another, or to 0 for any free one`,
    );
    return EXIT.unavailable;
  }
  if (thrown instanceof GatewayError) {
    err(`anamnesis: ${thrown.message} (${thrown.code})`);
    if (OURS.has(thrown.code) && thrown.cause !== undefined) err(`  ${whereOf(thrown)}`);
    return thrown.code === 'unavailable' ? EXIT.unavailable : EXIT.failed;
  }
  // Arguments that parseArgs of node:util does not know.
  if (thrown instanceof TypeError && 'code' in thrown && String(thrown.code).startsWith('ERR_PARSE_ARGS')) {
    err(`anamnesis: ${thrown.message}`);
    return EXIT.usage;
  }
  const file = fileFault(thrown);
  if (file !== undefined) {
    err(`anamnesis: ${file}`);
    return EXIT.failed;
  }
  err(`anamnesis: unexpected ${thrown instanceof Error ? (thrown.stack ?? thrown.name) : typeof thrown}`);
  return EXIT.failed;
}

/** Class, code and call sites of the cause: of an error of Postgres the message may hold values. */
function whereOf(thrown: GatewayError): string {
  const { errorClass = '', errorCode, stack = '' } = describeError(thrown);
  return `${errorClass}${errorCode === undefined ? '' : ` ${errorCode}`} ${stack}`;
}

/** What the operating system refused, and of which file; undefined for other errors. */
function fileFault(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('errno' in thrown) || typeof thrown.errno !== 'number') return undefined;
  if (!('path' in thrown) || typeof thrown.path !== 'string') return undefined;
  const [, reason] = getSystemErrorMap().get(thrown.errno) ?? [];
  return reason === undefined ? undefined : `${thrown.path}: ${reason}`;
}

/** The port that a listener could not have, however deep its error is wrapped. */
function portInUse(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined;
  if ('code' in thrown && thrown.code === 'EADDRINUSE' && 'port' in thrown) return String(thrown.port);
  return portInUse(thrown.cause);
}
