/**
 * Environment to Config: every setting is checked and all errors are reported at once. Reads the TLS files, writes
 * nothing. Never puts a setting's value into an error where that could be a secret.
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import type { Config, ListenerConfig, LogLevel, TlsMaterial, TrustedIssuer } from './config.ts';
import { SETTINGS, type Setting, type SettingName } from './settings.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export type LoadedConfig = { readonly config: Config } | { readonly errors: readonly string[] };

/** Reads one setting after the other and collects what is wrong with them. */
class SettingReader {
  readonly errors: string[] = [];
  readonly #env: Environment;

  constructor(env: Environment) {
    this.#env = env;
  }

  fail(name: SettingName, problem: string): void {
    this.errors.push(`${name}: ${problem}`);
  }

  /** The text, or the default; undefined when both are empty. An empty variable counts as not set. */
  optional(name: SettingName): string | undefined {
    const table: Readonly<Record<string, Setting>> = SETTINGS;
    const text = (this.#env[name] ?? '').trim() || (table[name]?.default ?? '');
    return text === '' ? undefined : text;
  }

  text(name: SettingName, form: RegExp, expected: string): string {
    const text = this.optional(name) ?? '';
    if (!form.test(text)) this.fail(name, `must be ${expected}`);
    return text;
  }

  integer(name: SettingName, least: number, most: number): number {
    const text = this.optional(name) ?? '';
    const value = Number(text);
    if (!/^\d{1,15}$/.test(text) || value < least || value > most) {
      this.fail(name, `must be a whole number from ${least} to ${most}`);
    }
    return value;
  }

  boolean(name: SettingName): boolean {
    return this.text(name, /^(true|false)$/, '`true` or `false`') === 'true';
  }

  file(name: SettingName, cwd: string): Buffer | undefined {
    const path = this.optional(name);
    if (path === undefined) return undefined;
    try {
      return readFileSync(resolve(cwd, path));
    } catch (thrown) {
      const why = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'unknown';
      this.fail(name, `the file cannot be read (${why})`);
      return undefined;
    }
  }
}

/** True for addresses that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

const ORIGIN = /^[a-z0-9][a-z0-9.-]*(:\d{1,5})?(\/[A-Za-z0-9._~/-]*[A-Za-z0-9._~-])?$/;

/** `cwd` resolves relative paths. */
export function loadConfig(env: Environment, cwd: string): LoadedConfig {
  const read = new SettingReader(env);
  const dataDir = resolve(cwd, read.optional('DATA_DIR') ?? 'data');
  const origin = read.text(
    'GATEWAY_ORIGIN',
    ORIGIN,
    'a URL without scheme, in lower case, such as stmary.example/anamnesis',
  );
  if (origin.length > 200) read.fail('GATEWAY_ORIGIN', 'must have at most 200 characters');
  const passphraseFile = read.optional('KEY_PASSPHRASE_FILE');
  const databaseUrl = readDatabaseUrl(read, 'DATABASE_URL');
  const databaseAdminUrl = readDatabaseUrl(read, 'DATABASE_ADMIN_URL');
  if (databaseAdminUrl !== undefined && databaseUrl === undefined) {
    read.fail('DATABASE_ADMIN_URL', 'goes with DATABASE_URL');
  }
  const publicUrl = readPublicUrl(read);
  const timeZone = readTimeZone(read);
  const config: Config = {
    ...readListeners(read, cwd),
    dataDir,
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
    ...(databaseAdminUrl === undefined ? {} : { databaseAdminUrl }),
    databaseConnections: read.integer('DATABASE_CONNECTIONS', 4, 1000),
    intakeThreads:
      read.optional('INTAKE_THREADS') === undefined
        ? defaultIntakeThreads(availableParallelism())
        : read.integer('INTAKE_THREADS', 0, 16),
    origin,
    ...(publicUrl === undefined ? {} : { publicUrl }),
    keyFile: resolve(cwd, read.optional('KEY_FILE') ?? join(dataDir, 'gateway.key')),
    ...(passphraseFile === undefined ? {} : { keyPassphraseFile: resolve(cwd, passphraseFile) }),
    source: {
      name: read.text('SOURCE_NAME', /^[A-Za-z0-9._-]{1,64}$/, '1 to 64 letters, digits, `.`, `_` or `-`'),
      ...(timeZone === undefined ? {} : { timeZone }),
      charset: read.text('SOURCE_CHARSET', /^[\x20-\x7e]{1,40}$/, 'a name of HL7 table 0211'),
      assigner: read.text(
        'SOURCE_ASSIGNER',
        /^[a-z][a-z0-9+.-]*:\S{1,200}$/i,
        'a URI such as urn:oid:2.999.1 or https://stmary.example/mrn',
      ),
      ...readProcessingIds(read),
    },
    unknownSources: readOneOf(read, 'UNKNOWN_SOURCES', ['default', 'quarantine', 'refuse']),
    unboundClients: readOneOf(read, 'MLLP_UNBOUND_CLIENTS', ['refuse', 'accept']) === 'accept',
    aeTitle: read.text(
      'DICOM_AE_TITLE',
      /^(?=.*\S)[\x20-\x5b\x5d-\x7e]{1,16}$/,
      '1 to 16 printable characters without backslash',
    ),
    tokenAudience: read.optional('TOKEN_AUDIENCE') ?? `https://${origin}`,
    trustedIssuers: readIssuers(read),
    ownOrganizations: readOrganizations(read),
    ...readNetwork(read, cwd),
    limits: readLimits(read),
    logLevel: readLogLevel(read),
  };
  return read.errors.length > 0 ? { errors: read.errors } : { config };
}

function readListeners(read: SettingReader, cwd: string): Pick<Config, 'http' | 'mllp' | 'dicom'> {
  const host = read.text('HOST', /^(?:[A-Za-z0-9.-]{1,253}|[0-9A-Fa-f:.]{2,45})$/, 'a host name or an IP address');
  const insecure = read.boolean('ALLOW_INSECURE_LISTENERS');
  const listener = (name: 'HTTP' | 'MLLP' | 'DICOM'): ListenerConfig => {
    const port = read.integer(`${name}_PORT`, 0, 65_535);
    const tls = readTls(read, name, cwd);
    if (tls === undefined && !insecure && !isLoopback(host)) {
      read.fail(
        `${name}_PORT`,
        `without TLS_${name}_CERT_FILE this listener stays on the loopback; set ALLOW_INSECURE_LISTENERS=true only behind something that encrypts`,
      );
    }
    return { host, port, ...(tls === undefined ? {} : { tls }) };
  };
  const listeners = { http: listener('HTTP'), mllp: listener('MLLP'), dicom: listener('DICOM') };
  const ports = [listeners.http.port, listeners.mllp.port, listeners.dicom.port].filter((port) => port !== 0);
  if (new Set(ports).size < ports.length) read.fail('HTTP_PORT', 'HTTP_PORT, MLLP_PORT and DICOM_PORT must differ');
  return listeners;
}

function readTls(read: SettingReader, name: 'HTTP' | 'MLLP' | 'DICOM', cwd: string): TlsMaterial | undefined {
  const before = read.errors.length;
  const cert = read.file(`TLS_${name}_CERT_FILE`, cwd);
  const key = read.file(`TLS_${name}_KEY_FILE`, cwd);
  const ca = read.file(`TLS_${name}_CA_FILE`, cwd);
  if (read.errors.length > before) return cert && key ? { cert, key } : undefined;
  if ((cert === undefined) !== (key === undefined) || (ca !== undefined && cert === undefined)) {
    read.fail(
      `TLS_${name}_CERT_FILE`,
      `TLS_${name}_CERT_FILE and TLS_${name}_KEY_FILE go together, and TLS_${name}_CA_FILE needs both`,
    );
  }
  return cert !== undefined && key !== undefined ? { cert, key, ...(ca === undefined ? {} : { ca }) } : undefined;
}

function readDatabaseUrl(read: SettingReader, name: 'DATABASE_URL' | 'DATABASE_ADMIN_URL'): string | undefined {
  const text = read.optional(name);
  if (text !== undefined && !/^postgres(ql)?:\/\//.test(text)) read.fail(name, 'must start with postgresql://');
  return text;
}

function readPublicUrl(read: SettingReader): string | undefined {
  const text = read.optional('PUBLIC_URL');
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const plain =
    url !== undefined && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '' && url.username === '';
  if (!plain || text.endsWith('/'))
    read.fail('PUBLIC_URL', 'must be an http or https URL without query and without a trailing slash');
  return text;
}

function readTimeZone(read: SettingReader): string | undefined {
  const text = read.optional('SOURCE_TIME_ZONE');
  if (text === undefined) return undefined;
  try {
    new Intl.DateTimeFormat('en', { timeZone: text });
  } catch {
    read.fail('SOURCE_TIME_ZONE', 'must be an IANA time zone such as Europe/Berlin');
  }
  return text;
}

function readProcessingIds(read: SettingReader): Pick<Config['source'], 'processingIds'> {
  const text = read.optional('SOURCE_PROCESSING_IDS');
  if (text === undefined) return {};
  const written = text.split(',').map((id) => id.trim());
  const known = (['D', 'P', 'T'] as const).filter((id) => written.includes(id));
  if (known.length !== written.length)
    read.fail('SOURCE_PROCESSING_IDS', 'must be P, T or D (HL7 table 0103), separated by commas, each once');
  return { processingIds: known };
}

function readIssuers(read: SettingReader): readonly TrustedIssuer[] {
  const text = read.optional('TRUSTED_ISSUERS');
  if (text === undefined) return [];
  return text.split(',').map((pair) => {
    const [issuer = '', jwksUri = '', mark, ...more] = pair.trim().split(/\s+/);
    const url = URL.canParse(jwksUri) ? new URL(jwksUri) : undefined;
    const safe =
      url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname.replace(/^\[|\]$/g, '')));
    if (!safe || more.length > 0 || (mark !== undefined && mark !== 'own') || !URL.canParse(issuer)) {
      read.fail(
        'TRUSTED_ISSUERS',
        'must be `issuer jwks-url` pairs separated by commas, `own` behind those of this institution; key URLs with https, or http on the loopback',
      );
    }
    return { issuer, jwksUri, ownInstitution: mark === 'own' };
  });
}

const ORGANIZATION =
  /^(?:[a-z][a-z0-9+.-]*:[^\s|,]+\|[^\s|,]+|(?:https?:\/\/[^\s|,]+\/)?Organization\/[A-Za-z0-9\-.]{1,64})$/i;

function readOrganizations(read: SettingReader): readonly string[] {
  const names = (read.optional('OWN_ORGANIZATIONS') ?? '').split(',').map((name) => name.trim());
  const given = names.filter((name) => name !== '');
  if (given.some((name) => !ORGANIZATION.test(name))) {
    read.fail(
      'OWN_ORGANIZATIONS',
      'must be references such as Organization/1 and identifiers such as urn:oid:2.999.1|stmary, separated by commas',
    );
  }
  return given;
}

function readNetwork(
  read: SettingReader,
  cwd: string,
): Pick<Config, 'ledgerPolicy' | 'ledgerPolicyFile' | 'mirrorBlobs' | 'mirrorMaxBytes' | 'mirrorPull' | 'peerCa'> {
  const policy = read.file('LEDGER_POLICY_FILE', cwd);
  const policyFile = read.optional('LEDGER_POLICY_FILE');
  const ca = read.file('PEER_TLS_CA_FILE', cwd);
  return {
    ...(policy === undefined ? {} : { ledgerPolicy: policy }),
    ...(policyFile === undefined ? {} : { ledgerPolicyFile: resolve(cwd, policyFile) }),
    mirrorBlobs: read.boolean('MIRROR_BLOBS'),
    mirrorMaxBytes: read.integer('MIRROR_MAX_BYTES', 0, Number.MAX_SAFE_INTEGER),
    mirrorPull: (read.optional('MIRROR_PULL') ?? '')
      .split(',')
      .map((origin) => origin.trim())
      .filter((origin) => origin !== ''),
    ...(ca === undefined ? {} : { peerCa: ca }),
  };
}

function readLimits(read: SettingReader): Config['limits'] {
  const mebibyte = 1024 * 1024;
  return {
    hl7MessageBytes: read.integer('HL7_MAX_MESSAGE_BYTES', 1024, 256 * mebibyte),
    fhirBodyBytes: read.integer('FHIR_MAX_BODY_BYTES', 1024, 256 * mebibyte),
    fhirEntries: read.integer('FHIR_MAX_ENTRIES', 1, 100_000),
    searchCount: read.integer('SEARCH_MAX_COUNT', 1, 10_000),
    dicomObjectBytes: read.integer('DICOM_MAX_OBJECT_BYTES', mebibyte, 1024 * 1024 * mebibyte),
    mllpConnections: read.integer('MLLP_MAX_CONNECTIONS', 1, 100_000),
    dicomAssociations: read.integer('DICOM_MAX_ASSOCIATIONS', 1, 10_000),
    httpConnections: read.integer('HTTP_MAX_CONNECTIONS', 1, 100_000),
    idleMs: read.integer('LISTENER_IDLE_MS', 0, 7 * 24 * 3_600_000),
    requestMs: read.integer('REQUEST_DEADLINE_MS', 1_000, 3_600_000),
    shutdownMs: read.integer('SHUTDOWN_DEADLINE_MS', 0, 600_000),
    freeDiskBytes: read.integer('FREE_DISK_FLOOR_BYTES', 0, 1024 * 1024 * mebibyte),
  };
}

function readOneOf<V extends string>(read: SettingReader, name: SettingName, values: readonly V[]): V {
  const text = read.optional(name);
  const found = values.find((value) => value === text);
  if (found === undefined) read.fail(name, `must be one of ${values.join(', ')}`);
  return found ?? values[0];
}

function readLogLevel(read: SettingReader): LogLevel {
  const text = read.optional('LOG_LEVEL');
  if (text === 'debug' || text === 'info' || text === 'warn' || text === 'error') return text;
  read.fail('LOG_LEVEL', 'must be debug, info, warn or error');
  return 'info';
}

/**
 * On two cores, which Postgres shares, one thread does more than two (measured: 444 messages a second against 418): each has its
 * own copy of the code in the caches, and fewer messages to prepare together.
 */
function defaultIntakeThreads(cores: number): number {
  return cores <= 2 ? 0 : Math.min(4, cores - 1);
}
