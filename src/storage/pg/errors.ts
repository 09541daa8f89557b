/** Postgres errors as ours. SQLSTATE decides; the server's message and detail may hold values and are never passed on. */
import { GatewayError, type ErrorCode } from '../../core/errors.ts';

/** What an operator can mend: the reason that the server or the TLS handshake names. All are `unavailable`: mended, the work goes on. */
const REASONS: ReadonlyMap<string, string> = new Map([
  ['28P01', 'the database refuses the password: correct DATABASE_URL or DATABASE_ADMIN_URL'],
  [
    '28000',
    'the database refuses the account or where it comes from: correct DATABASE_URL, or pg_hba.conf of the server',
  ],
  ['3D000', 'the server has no database of that name: create it, or correct DATABASE_URL'],
  [
    'ENOTFOUND',
    'the name of the database server cannot be resolved: correct the host in DATABASE_URL, or the resolver',
  ],
  ...[
    'SELF_SIGNED_CERT_IN_CHAIN',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'CERT_HAS_EXPIRED',
    'ERR_TLS_CERT_ALTNAME_INVALID',
  ].map((code): [string, string] => [
    code,
    `the certificate of the database server is not trusted (${code}): name its authority by sslrootcert=FILE in DATABASE_URL, or mend it`,
  ]),
]);
/** Insufficient privilege. Not `unavailable`: triggers of ours say it too, and trying again helps against neither. */
const NO_RIGHT = '42501';
const NO_RIGHT_ADVICE =
  'the account of DATABASE_URL may not do this: set DATABASE_ADMIN_URL for this command, or run `anamnesis prepare-database` with it';
const NO_TLS = 'The server does not support SSL connections';

const NETWORK = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

function stateOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}

function reasonOf(error: unknown): string | undefined {
  if (error instanceof Error && error.message === NO_TLS)
    return 'the database server takes no TLS: switch it on there, or take sslmode out of DATABASE_URL';
  return REASONS.get(stateOf(error));
}

function codeOf(error: unknown): ErrorCode {
  const state = stateOf(error);
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
  const reason = reasonOf(error);
  if (reason !== undefined) throw new GatewayError('unavailable', reason, { cause: error });
  const code = codeOf(error);
  if (stateOf(error) === NO_RIGHT) throw new GatewayError('internal', NO_RIGHT_ADVICE, { cause: error });
  throw new GatewayError(code, ADVICE[code] ?? 'the database refused a statement', { cause: error });
}
