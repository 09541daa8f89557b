/**
 * What may be logged. A closed list of fields: whatever could carry PHI (free text, URLs with queries, identifiers,
 * error messages of libraries) has no field to stand in.
 */
export interface LogFields {
  readonly event: string;
  readonly code?: string;
  readonly listener?: string;
  readonly address?: string;
  readonly port?: number;
  readonly requestId?: string;
  readonly method?: string;
  /** The route's pattern, never the path itself. */
  readonly route?: string;
  readonly status?: number;
  readonly ms?: number;
  readonly count?: number;
  readonly bytes?: number;
  readonly size?: number;
  readonly leaf?: number;
  readonly source?: string;
  readonly kind?: string;
  readonly reason?: string;
  /** Class name of an unexpected error, and its own code if it has one; not its message. */
  readonly errorClass?: string;
  readonly errorCode?: string;
  /** Function names and line numbers of an unexpected error; its message is cut off. */
  readonly stack?: string;
}

export interface Log {
  debug(fields: LogFields): void;
  info(fields: LogFields): void;
  warn(fields: LogFields): void;
  error(fields: LogFields): void;
}

export const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** The loggable part of an unexpected error: class, code and call sites, without the message. */
export function describeError(thrown: unknown): Pick<LogFields, 'errorClass' | 'errorCode' | 'stack'> {
  if (!(thrown instanceof Error)) return { errorClass: typeof thrown };
  const cause = thrown.cause instanceof Error ? thrown.cause : thrown;
  const sites = (cause.stack ?? '').split('\n').filter((line) => line.startsWith('    at '));
  const code = 'code' in cause && typeof cause.code === 'string' ? { errorCode: cause.code } : {};
  return {
    errorClass: cause.name,
    ...code,
    stack: sites
      .slice(0, 12)
      .map((line) => line.trim())
      .join(' | '),
  };
}
