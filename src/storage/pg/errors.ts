/** Postgres errors as ours. SQLSTATE decides; the server's message and detail may hold values and are never passed on. */
import { GatewayError, type ErrorCode } from '../../core/errors.ts';

const NETWORK = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN']);

function codeOf(error: unknown): ErrorCode {
  const state = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
  if (NETWORK.has(state) || state.startsWith('08') || state.startsWith('57P')) return 'unavailable';
  // A standby: the primary is elsewhere now, and the address will follow it.
  if (state === '25006') return 'unavailable';
  if (state === '53100' || state === '58030') return 'storage-full';
  if (state.startsWith('53')) return 'busy';
  if (state === '57014') return 'timeout';
  // pg reports a connection that ended under a query without any code.
  if (state === '' && error instanceof Error && /connection/i.test(error.message)) return 'unavailable';
  return 'internal';
}

const ADVICE: Partial<Record<ErrorCode, string>> = {
  unavailable: 'the database cannot be reached; try again',
  'storage-full': 'the database has no room left; nothing was stored',
  busy: 'the database is at its limits; try again',
  timeout: 'the database did not answer in time; try again',
};

/** Rethrows any error of `pg` as a GatewayError with the original as cause; GatewayErrors pass through. */
export function storeError(error: unknown): never {
  if (error instanceof GatewayError) throw error;
  const code = codeOf(error);
  throw new GatewayError(code, ADVICE[code] ?? 'the database refused a statement', { cause: error });
}
