/**
 * Everything that can be set, in one value. Made by `loadConfig` at start and passed down; nothing reads the environment
 * later. The names in the environment, defaults and dangers stand in `settings.ts`.
 */

/** PEM texts of a TLS listener. With `ca`, clients must show a certificate that one of these authorities signed. */
export interface TlsMaterial {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca?: Buffer;
}

export interface ListenerConfig {
  /** Address to listen on. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Absent: plain text, which only the loopback may use unless the operator insists. */
  readonly tls?: TlsMaterial;
}

/** The one HL7 v2 and DICOM source that is configured by settings. */
export interface SourceConfig {
  /** Name in logs and in the ledger's sealed part; part of the identity of its messages: renaming makes a new source. */
  readonly name: string;
  /** IANA time zone of times without an offset; undefined: MSH-7's offset, else such times keep their date only. */
  readonly timeZone?: string;
  /** HL7 table 0211 name used when MSH-18 is empty. */
  readonly charset: string;
  /** System (URI) of identifiers that name no assigner. */
  readonly assigner: string;
  /** HL7 table 0103: what MSH-11 may say; undefined: anything. */
  readonly processingIds?: readonly ('D' | 'P' | 'T')[];
}

/** An issuer of access tokens other than the built-in one. */
export interface TrustedIssuer {
  /** Exactly the `iss` of its tokens. */
  readonly issuer: string;
  /** Where its public keys are: https, or http on the loopback. */
  readonly jwksUri: string;
  /** True: its tokens count as those of this institution. */
  readonly ownInstitution: boolean;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface LimitsConfig {
  /** Bytes of one HL7 v2 message. */
  readonly hl7MessageBytes: number;
  /** Bytes of one FHIR request body. */
  readonly fhirBodyBytes: number;
  /** Entries of one FHIR transaction. */
  readonly fhirEntries: number;
  /** Largest `_count` of a search. */
  readonly searchCount: number;
  /** Bytes of one DICOM object. */
  readonly dicomObjectBytes: number;
  /** MLLP connections at one time. */
  readonly mllpConnections: number;
  /** DICOM associations at one time. */
  readonly dicomAssociations: number;
  /** HTTP connections at one time. */
  readonly httpConnections: number;
  /** Milliseconds without a byte after which an MLLP or DICOM connection is closed. */
  readonly idleMs: number;
  /** Milliseconds that one HTTP request may take. */
  readonly requestMs: number;
  /** Milliseconds that a stop waits for work in flight before it cuts connections. */
  readonly shutdownMs: number;
  /** Bytes of free disk below which intake is refused. */
  readonly freeDiskBytes: number;
}

export interface Config {
  readonly http: ListenerConfig;
  readonly mllp: ListenerConfig;
  readonly dicom: ListenerConfig;
  /** Absolute path. Blobs, the key file by default, and the embedded Postgres lie in it. */
  readonly dataDir: string;
  /** Absent: the embedded Postgres. */
  readonly databaseUrl?: string;
  /** The same database for an account that makes tables and guards them; absent: databaseUrl does it all. */
  readonly databaseAdminUrl?: string;
  /** Connections of this process to the database at most. */
  readonly databaseConnections: number;
  /** Threads that take HL7 v2 messages in; 0: the main thread does. */
  readonly intakeThreads: number;
  /** Name of this gateway's log for ever: a schema-less URL. */
  readonly origin: string;
  /** URL by which clients reach this gateway, without a trailing slash; absent: made from the HTTP listener's address. */
  readonly publicUrl?: string;
  /** Absolute path. */
  readonly keyFile: string;
  /** Absolute path of the file whose first line is the passphrase; absent: the key file is protected by its mode alone. */
  readonly keyPassphraseFile?: string;
  readonly source: SourceConfig;
  /** What happens to HL7 v2 messages of senders that no kept source names. */
  readonly unknownSources: 'default' | 'quarantine' | 'refuse';
  /** True: a client certificate that no kept source binds may send for those that bind none. */
  readonly unboundClients: boolean;
  /** Our application entity title. */
  readonly aeTitle: string;
  /** Required `aud` of access tokens; the built-in issuer puts it into its own. */
  readonly tokenAudience: string;
  readonly trustedIssuers: readonly TrustedIssuer[];
  /** The institution as Consents name it: FHIR references and `system|value`. */
  readonly ownOrganizations: readonly string[];
  /** The trust policy file (C2SP tlog-policy) as it is; absent: this gateway knows no other. */
  readonly ledgerPolicy?: Buffer;
  /** Where that file lies, an absolute path: a running gateway follows its changes. */
  readonly ledgerPolicyFile?: string;
  /** True: blobs are sent to mirrors, taken as a mirror, and count for the level `mirrored`. */
  readonly mirrorBlobs: boolean;
  /** Bytes of documents, payloads and blobs kept for one mirrored log at most. */
  readonly mirrorMaxBytes: number;
  /** Origins whose logs are pulled into the mirror, or `all`; empty: none. */
  readonly mirrorPull: readonly string[];
  /** PEM of the authorities that sign peers' certificates; absent: the system's. */
  readonly peerCa?: Buffer;
  readonly limits: LimitsConfig;
  readonly logLevel: LogLevel;
}
