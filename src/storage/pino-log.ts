/**
 * The log port on pino: JSON lines. An allow-list by name, type and length: a field that is not in core/log.ts, or holds
 * anything but a short text or a number, is not written. (Redaction lists, the other way round, leak.)
 */
import { pino, type DestinationStream } from 'pino';
import type { Log, LogFields } from '../core/log.ts';

/** Longest text of each field; 0: a number. */
const FIELDS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    event: 64,
    code: 64,
    listener: 16,
    address: 64,
    port: 0,
    requestId: 64,
    method: 16,
    route: 128,
    status: 0,
    ms: 0,
    count: 0,
    bytes: 0,
    size: 0,
    leaf: 0,
    source: 64,
    kind: 64,
    reason: 128,
    errorClass: 64,
    errorCode: 64,
    stack: 4_000,
  } satisfies Record<keyof LogFields, number>),
);

function allowed(fields: LogFields): Record<string, string | number> {
  const out: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(fields)) {
    const most = FIELDS.get(name);
    if (most === undefined) continue;
    if (most === 0 && typeof value === 'number') out[name] = value;
    if (most > 0 && typeof value === 'string') out[name] = value.slice(0, most);
  }
  return out;
}

/** JSON lines with level, ISO time and the allowed fields, written synchronously to `destination` (default stdout). */
export function pinoLog(level: 'debug' | 'info' | 'warn' | 'error', destination?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const logger = destination === undefined ? pino(options) : pino(options, destination);
  return {
    debug: (fields) => logger.debug(allowed(fields)),
    info: (fields) => logger.info(allowed(fields)),
    warn: (fields) => logger.warn(allowed(fields)),
    error: (fields) => logger.error(allowed(fields)),
  };
}
