/**
 * The table of settings: what may stand in the environment (or in `.env` of the working directory), its default, unit
 * and danger. `.env.example` and the table of docs/operations.md are made from it.
 */
import {
  DICOM_MAX_OBJECT_BYTES,
  FHIR_MAX_BODY_BYTES,
  FHIR_MAX_ENTRIES,
  FREE_DISK_FLOOR_BYTES,
  HL7_MAX_MESSAGE_BYTES,
  HTTP_MAX_CONNECTIONS,
  LISTENER_IDLE_MS,
  MIRROR_MAX_BYTES,
  MLLP_MAX_CONNECTIONS,
  REQUEST_DEADLINE_MS,
  SEARCH_MAX_COUNT,
  SHUTDOWN_DEADLINE_MS,
  DICOM_MAX_ASSOCIATIONS,
} from '../core/limits.ts';

export interface Setting {
  /** First sentence: what it sets. Then unit and range. */
  readonly doc: string;
  /** Text used when it is not set; empty: none. */
  readonly default: string;
  /** What misuse does. */
  readonly danger?: string;
}

const tls = (listener: string, what: string): Record<string, Setting> => ({
  [`TLS_${listener}_CERT_FILE`]: { doc: `PEM file with the certificate chain of the ${what} listener.`, default: '' },
  [`TLS_${listener}_KEY_FILE`]: {
    doc: `PEM file with the private key of that certificate.`,
    default: '',
    danger: 'Who reads it can pose as this gateway.',
  },
  [`TLS_${listener}_CA_FILE`]: {
    doc: `PEM file with the authorities whose clients may connect (mutual TLS) to the ${what} listener.`,
    default: '',
    danger: `Without it any client that reaches the port may connect.`,
  },
});

export const SETTINGS = {
  HOST: {
    doc: 'Address on which all listeners listen.',
    default: '127.0.0.1',
    danger: 'Off the loopback every listener needs TLS, or ALLOW_INSECURE_LISTENERS.',
  },
  HTTP_PORT: {
    doc: 'TCP port of FHIR, ledger and metrics over HTTP; 0: any free one, shown at start.',
    default: '8080',
  },
  MLLP_PORT: { doc: 'TCP port of HL7 v2 over MLLP; 0: any free one.', default: '2575' },
  DICOM_PORT: { doc: 'TCP port of DICOM (DIMSE); 0: any free one.', default: '11112' },
  ...tls('HTTP', 'HTTP'),
  ...tls('MLLP', 'MLLP'),
  ...tls('DICOM', 'DICOM'),
  ALLOW_INSECURE_LISTENERS: {
    doc: '`true` lets listeners without TLS leave the loopback.',
    default: 'false',
    danger:
      'Patient data and tokens then cross the network in plain text: only behind a proxy or tunnel that encrypts.',
  },
  DATA_DIR: {
    doc: 'Folder of everything that is kept: blobs, the key file by default, the embedded Postgres.',
    default: './data',
    danger: 'Without backups or mirrors its loss is the loss of the record.',
  },
  DATABASE_URL: {
    doc: 'postgresql:// URL of a Postgres 15 or newer, on another machine with `?sslmode=verify-full` (and `&sslrootcert=FILE`); empty: the embedded one.',
    default: '',
    danger: 'A database whose replicas are asynchronous can roll the ledger back in a fail-over.',
  },
  DATABASE_ADMIN_URL: {
    doc: 'postgresql:// URL of the same database for an account that makes tables and guards them, best a superuser; used at start only. Empty: DATABASE_URL does it all.',
    default: '',
    danger:
      'Without it the account that writes records also owns the tables, and can switch off what keeps the ledger append-only.',
  },
  DATABASE_CONNECTIONS: {
    doc: 'Connections of this process to the database at most, 4 to 1000, besides one that watches whether it answers.',
    default: '16',
  },
  INTAKE_THREADS: {
    doc: 'Threads that convert, seal and index HL7 v2 messages, 0 to 16; each takes some 150 MB of memory and 4 connections to the database besides DATABASE_CONNECTIONS. Empty: 0 on one or two cores, else one less than the cores, at most 4. 0: the main thread does it. Messages above 256 KiB have a thread of their own in any case, begun with the first.',
    default: '',
  },
  GATEWAY_ORIGIN: {
    doc: 'Name of this gateway and of its log: a URL without scheme, such as `stmary.example/anamnesis`; at most 200 characters, no spaces, no plus sign.',
    default: 'localhost/anamnesis',
    danger: 'Fixed at first start, for ever: peers and receipts know the log by this name.',
  },
  PUBLIC_URL: {
    doc: 'URL under which clients reach the HTTP listener (behind a proxy), without a trailing slash; empty: http(s)://HOST:HTTP_PORT.',
    default: '',
  },
  KEY_FILE: {
    doc: 'File of the gateway key set, made at first start with mode 0600; empty: gateway.key in DATA_DIR.',
    default: '',
    danger: 'Without it nothing can be read again: keep a copy in a safe place, never beside the database backups.',
  },
  KEY_PASSPHRASE_FILE: {
    doc: 'File whose first line is the passphrase that encrypts the key file.',
    default: '',
    danger: 'Empty: whoever can read the key file and the database can read every record.',
  },
  SOURCE_NAME: {
    doc: 'Name of the HL7 v2 and DICOM source; letters, digits, `.`, `_`, `-`.',
    default: 'default',
    danger: 'A new name is a new source: messages resent by it are not recognised as the same.',
  },
  SOURCE_TIME_ZONE: {
    doc: 'IANA time zone of times that come without an offset, such as `Europe/Berlin`; empty: the offset of MSH-7, else such times keep their date only.',
    default: '',
    danger: 'A wrong zone shifts every time of the source.',
  },
  SOURCE_CHARSET: {
    doc: 'HL7 table 0211 name of the character set of messages with an empty MSH-18.',
    default: 'UNICODE UTF-8',
    danger: 'A wrong one garbles names, or has messages refused.',
  },
  SOURCE_ASSIGNER: {
    doc: 'System (a URI) of identifiers that name no assigner.',
    default: 'urn:anamnesis:local',
    danger: 'Two sources with one assigner share their patient numbers. Changing it later makes new patients.',
  },
  SOURCE_PROCESSING_IDS: {
    doc: 'Processing ids (MSH-11) of HL7 v2 messages that are taken of senders that no kept source names: `P`, `T`, `D`, separated by commas; others are answered AR. Empty: any.',
    default: '',
    danger:
      'Empty, or with `T` or `D`: messages of test and training systems become records like any other. Production needs `P` alone.',
  },
  UNKNOWN_SOURCES: {
    doc: 'HL7 v2 messages of senders that no kept source names (docs/sources.md): `default` reads them by the SOURCE_* settings, `quarantine` keeps them unread, `refuse` answers AR.',
    default: 'default',
    danger: '`default`: whoever reaches the MLLP port writes records.',
  },
  MLLP_UNBOUND_CLIENTS: {
    doc: 'With TLS_MLLP_CA_FILE, messages over connections whose certificate no kept source binds: `refuse` answers AR, `accept` takes them for sources that bind none.',
    default: 'refuse',
    danger: '`accept`: every client of the authority can send in the name of every source that binds no certificate.',
  },
  DICOM_AE_TITLE: { doc: 'Application entity title of this gateway, 1 to 16 characters.', default: 'ANAMNESIS' },
  TOKEN_AUDIENCE: {
    doc: 'The `aud` that access tokens must carry; empty: `https://` and GATEWAY_ORIGIN.',
    default: '',
  },
  TRUSTED_ISSUERS: {
    doc: 'Token issuers besides the built-in one: `issuer jwks-url` pairs, separated by commas; a third word `own` makes it an issuer of this institution.',
    default: '',
    danger:
      'Each can name any practitioner of another institution. One marked `own` speaks for this one: it can name any practitioner, system or patient here, with all that the default policy permits them.',
  },
  OWN_ORGANIZATIONS: {
    doc: 'The institution itself as Consents name it: FHIR references (`Organization/1`, or absolute) and identifiers (written system, bar, value), separated by commas.',
    default: '',
    danger:
      'Everybody of this institution then acts for each of them: a permission or denial to one is one to all staff. Left empty, a denial that names an organisation may reach everybody, and a permission reaches nobody by it.',
  },
  LEDGER_POLICY_FILE: {
    doc: 'Trust policy (C2SP tlog-policy): the logs, witnesses and mirrors that this gateway knows, and their quorum; docs/replication.md. A running gateway follows changes of the file. Empty: it stands alone.',
    default: '',
    danger:
      'Decides alone whose history is believed and who may keep copies. Without mirrors the loss of the site is the loss of the record.',
  },
  MIRROR_BLOBS: {
    doc: '`true`: images and large attachments are mirrored too, for others and by them, and count for the level `mirrored`.',
    default: 'true',
    danger: '`false`: the images are lost with the site.',
  },
  MIRROR_MAX_BYTES: {
    doc: 'Bytes that one mirrored log may take on this gateway.',
    default: String(MIRROR_MAX_BYTES),
    danger: 'Beyond it that log has one mirror less.',
  },
  MIRROR_PULL: {
    doc: 'Origins whose logs this gateway fetches into its mirror from the URLs of the policy file, separated by commas, or `all`; empty: it takes what is brought to it.',
    default: '',
    danger: 'Each takes up to MIRROR_MAX_BYTES of this disk, without having been asked to.',
  },
  PEER_TLS_CA_FILE: {
    doc: "PEM file with the authorities that sign the certificates of peers; empty: the system's.",
    default: '',
  },
  HL7_MAX_MESSAGE_BYTES: { doc: 'Bytes of one HL7 v2 message.', default: String(HL7_MAX_MESSAGE_BYTES) },
  FHIR_MAX_BODY_BYTES: { doc: 'Bytes of one FHIR request body.', default: String(FHIR_MAX_BODY_BYTES) },
  FHIR_MAX_ENTRIES: { doc: 'Entries of one FHIR transaction.', default: String(FHIR_MAX_ENTRIES) },
  SEARCH_MAX_COUNT: { doc: 'Largest `_count` of a search, in resources.', default: String(SEARCH_MAX_COUNT) },
  DICOM_MAX_OBJECT_BYTES: { doc: 'Bytes of one DICOM object.', default: String(DICOM_MAX_OBJECT_BYTES) },
  MLLP_MAX_CONNECTIONS: { doc: 'MLLP connections at one time.', default: String(MLLP_MAX_CONNECTIONS) },
  DICOM_MAX_ASSOCIATIONS: { doc: 'DICOM associations at one time.', default: String(DICOM_MAX_ASSOCIATIONS) },
  HTTP_MAX_CONNECTIONS: { doc: 'HTTP connections at one time.', default: String(HTTP_MAX_CONNECTIONS) },
  LISTENER_IDLE_MS: {
    doc: 'Milliseconds without a byte after which an MLLP or DICOM connection is closed; 0: never.',
    default: String(LISTENER_IDLE_MS),
  },
  REQUEST_DEADLINE_MS: { doc: 'Milliseconds that one HTTP request may take.', default: String(REQUEST_DEADLINE_MS) },
  SHUTDOWN_DEADLINE_MS: {
    doc: 'Milliseconds that a stop waits for work in flight before it cuts connections.',
    default: String(SHUTDOWN_DEADLINE_MS),
  },
  FREE_DISK_FLOOR_BYTES: {
    doc: 'Bytes of free disk below which intake is refused with a clear error.',
    default: String(FREE_DISK_FLOOR_BYTES),
    danger: 'A database that runs out of disk stops in the middle of its work.',
  },
  LOG_LEVEL: { doc: 'debug, info, warn or error.', default: 'info' },
} satisfies Record<string, Setting>;

export type SettingName = keyof typeof SETTINGS | `TLS_${'HTTP' | 'MLLP' | 'DICOM'}_${'CERT' | 'KEY' | 'CA'}_FILE`;

/** The text of `.env.example`: every setting, commented out, with its default. */
export function envExample(): string {
  const head = [
    '# Settings of the gateway. Copy to `.env` in the working directory, or set them in the environment, which wins.',
    '# Every line is commented out and shows its default. Made from src/config/settings.ts: `npx anamnesis help settings`.',
  ];
  const entries = Object.entries<Setting>(SETTINGS).map(([name, setting]) => {
    const lines = [setting.doc, ...(setting.danger === undefined ? [] : [`Danger: ${setting.danger}`])];
    const value = /[\s#]/.test(setting.default) ? `"${setting.default}"` : setting.default;
    return [...lines.map((line) => `# ${line}`), `#${name}=${value}`].join('\n');
  });
  return `${head.join('\n')}\n\n${entries.join('\n\n')}\n`;
}

/** The table of settings in Markdown, for docs/operations.md. */
export function settingsTable(): string {
  const rows = Object.entries<Setting>(SETTINGS).map(
    ([name, { doc, danger, default: value }]) =>
      `| \`${name}\` | ${value === '' ? '' : `\`${value}\``} | ${doc} | ${danger ?? ''} |`,
  );
  return ['| setting | default | meaning and unit | danger |', '|---|---|---|---|', ...rows].join('\n');
}
