/**
 * A source as an administrator writes it (JSON, docs/sources.md): by which messages it is known, how they are read, what it
 * may do. Checked as a whole: every fault is found, each with its place, and a member that is not known is one.
 */
import { isAcknowledgementCondition, type AcknowledgementMode } from '../../formats/hl7v2/ack.ts';
import { charsetOf, type Charset } from '../../formats/hl7v2/charset.ts';
import { isTimeZone } from '../../formats/hl7v2/dtm.ts';
import { makeSourceProfile, type MappedCode, type SourceProfile } from './source-profile.ts';

/** A sender: MSH-3 and MSH-4. `*` stands for any text; without a member any is meant. */
export interface SenderPattern {
  readonly application?: string;
  readonly facility?: string;
}

/** A client certificate: by its SHA-256 (64 hexadecimal digits), or by its whole subject. */
export type BoundClient = { readonly fingerprint: string } | { readonly subject: string };

/** HL7 table 0103: debugging, production, training. */
export type ProcessingId = 'D' | 'P' | 'T';

export interface SourceDefinition {
  readonly profile: SourceProfile;
  /** Empty: every message of the connections that `clients` binds. */
  readonly match: readonly SenderPattern[];
  /** Sending facilities (MSH-4) that the source may speak for; undefined: any. */
  readonly facilities: readonly string[] | undefined;
  /** Empty: bound to no certificate. */
  readonly clients: readonly BoundClient[];
  /** Mode of messages that leave MSH-15 and MSH-16 empty. */
  readonly acknowledgement: AcknowledgementMode;
  /** Undefined: any. */
  readonly processingIds: readonly ProcessingId[] | undefined;
}

/** The JSON as it was written; kept so. */
export type SourceJson = Readonly<Record<string, unknown>>;

/** A fault, and where: `codes.L.GLU.system`. */
export interface DefinitionFault {
  readonly place: string;
  readonly problem: string;
}

export type ParsedDefinition =
  { readonly definition: SourceDefinition } | { readonly faults: readonly DefinitionFault[] };

/** 1 to 64 letters, digits, `.`, `_`, `-`: as SOURCE_NAME. */
export function isSourceName(text: string): boolean {
  return /^[A-Za-z0-9._-]{1,64}$/.test(text);
}

const URI = /^[a-z][a-z0-9+.-]*:\S{1,200}$/i;
const SHORT_TEXT = /^[^\p{Cc}]{1,200}$/u;

/** Reads one member after the other and collects what is wrong. */
class Reader {
  readonly faults: DefinitionFault[] = [];

  fail(place: string, problem: string): undefined {
    this.faults.push({ place, problem });
    return undefined;
  }

  object(value: unknown, place: string): SourceJson | undefined {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as SourceJson;
    return this.fail(place, 'must be an object');
  }

  /** A list of items; undefined when it is absent or is none. */
  list<T>(value: unknown, place: string, item: (value: unknown, place: string) => T | undefined): T[] | undefined {
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) return this.fail(place, 'must be a list');
    return value.flatMap((one: unknown, i) => item(one, `${place}[${i}]`) ?? []);
  }

  text(value: unknown, place: string, form: RegExp, expected: string): string | undefined {
    if (value === undefined) return undefined;
    return typeof value === 'string' && form.test(value) ? value : this.fail(place, `must be ${expected}`);
  }

  uri(value: unknown, place: string): string | undefined {
    return this.text(value, place, URI, 'a URI such as urn:oid:2.999.1 or https://stmary.example/mrn');
  }

  /** An object used as a table. */
  table<T>(value: unknown, place: string, entry: (value: unknown, place: string) => T | undefined): Record<string, T> {
    const found: Record<string, T> = {};
    const object = value === undefined ? undefined : this.object(value, place);
    for (const [name, one] of Object.entries(object ?? {})) {
      const read = entry(one, `${place}.${name}`);
      // Not by assignment: a name such as __proto__ is one like any other.
      if (read !== undefined) Object.defineProperty(found, name, { value: read, enumerable: true });
    }
    return found;
  }

  known(object: SourceJson, place: string, names: readonly string[]): void {
    for (const name of Object.keys(object)) {
      const path = place === '' ? name : `${place}.${name}`;
      if (!names.includes(name)) this.fail(path, `is not known; known are ${names.join(', ')}`);
    }
  }
}

/** Members of the JSON. */
export const SOURCE_MEMBERS = [
  'description',
  'match',
  'facilities',
  'clients',
  'timeZone',
  'charset',
  'charsets',
  'assigner',
  'namespaces',
  'assigners',
  'primaryAssigner',
  'codeSystems',
  'codes',
  'acknowledgement',
  'processingIds',
] as const;

/** The source of the settings: whatever no other one takes. */
export function builtInSource(
  profile: SourceProfile,
  processingIds?: SourceDefinition['processingIds'],
): SourceDefinition {
  return { profile, match: [], clients: [], acknowledgement: 'original', facilities: undefined, processingIds };
}

/** Reads a definition. `version`: in the ledger. Total: whatever the value is. */
export function parseSourceDefinition(name: string, value: unknown, version: number): ParsedDefinition {
  const read = new Reader();
  const json = read.object(value, '$') ?? {};
  read.known(json, '', SOURCE_MEMBERS);
  if (!isSourceName(name)) read.fail('name', 'must be 1 to 64 letters, digits, `.`, `_` or `-`');
  read.text(json.description, 'description', /^[^\p{Cc}]{1,500}$/u, 'text of at most 500 characters');
  const timeZone = read.text(json.timeZone, 'timeZone', /^\S{1,64}$/, 'an IANA time zone such as Europe/Berlin');
  if (timeZone !== undefined && !isTimeZone(timeZone))
    read.fail('timeZone', 'must be an IANA time zone such as Europe/Berlin');
  const charset = read.text(json.charset, 'charset', /^[\x20-\x7e]{1,40}$/, 'a name of HL7 table 0211');
  if (charset !== undefined && charsetOf(charset) === undefined)
    read.fail('charset', 'must be a name of HL7 table 0211 that can be decoded, such as 8859/1');
  const charsets = read.table(json.charsets, 'charsets', (one, place) => meantCharset(read, one, place));
  const assigner = read.uri(json.assigner, 'assigner');
  if (json.assigner === undefined) read.fail('assigner', 'is required: the system of numbers that name no assigner');
  const assigners = read.list(json.assigners, 'assigners', (one, place) => read.uri(one ?? null, place));
  const primaryAssigner = read.uri(json.primaryAssigner, 'primaryAssigner');
  if (primaryAssigner !== undefined && assigners !== undefined && !assigners.includes(primaryAssigner))
    read.fail('primaryAssigner', 'must be one of assigners');
  const match = read.list(json.match, 'match', (one, place) => senderPattern(read, one, place)) ?? [];
  const clients = read.list(json.clients, 'clients', (one, place) => boundClient(read, one, place)) ?? [];
  const facilities = read.list(json.facilities, 'facilities', (one, place) =>
    read.text(one ?? null, place, SHORT_TEXT, 'a namespace or universal id of MSH-4'),
  );
  const acknowledgement = acknowledgementMode(read, json.acknowledgement);
  const processingIds = read.list(json.processingIds, 'processingIds', (one, place) => processingId(read, one, place));
  const namespaces = read.table(json.namespaces, 'namespaces', (one, place) => read.uri(one ?? null, place));
  const codeSystems = read.table(json.codeSystems, 'codeSystems', (one, place) => read.uri(one ?? null, place));
  const codes = read.table(json.codes, 'codes', (one, place) =>
    read.table(one ?? null, place, (codings, at) => mappedCodes(read, codings, at)),
  );
  if (read.faults.length > 0) return { faults: read.faults };
  const profile = makeSourceProfile({
    name,
    version,
    charset: charset ?? 'UNICODE UTF-8',
    charsets,
    assigner: assigner ?? '',
    namespaces,
    codeSystems,
    codes,
    ...(timeZone === undefined ? {} : { timeZone }),
    ...(assigners === undefined ? {} : { assigners }),
    ...(primaryAssigner === undefined ? {} : { primaryAssigner }),
  });
  return {
    definition: { profile, match, facilities, clients, acknowledgement, processingIds: processingIds ?? ['P'] },
  };
}

function meantCharset(read: Reader, value: unknown, place: string): Charset | undefined {
  const meant = typeof value === 'string' ? charsetOf(value) : undefined;
  return meant ?? read.fail(place, 'must be a name of HL7 table 0211 that can be decoded, such as 8859/1');
}

function senderPattern(read: Reader, value: unknown, place: string): SenderPattern | undefined {
  const object = read.object(value, place);
  if (object === undefined) return undefined;
  read.known(object, place, ['application', 'facility']);
  const expected = 'a namespace or universal id, `*` for any text in it';
  const application = read.text(object.application, `${place}.application`, SHORT_TEXT, expected);
  const facility = read.text(object.facility, `${place}.facility`, SHORT_TEXT, expected);
  if (object.application === undefined && object.facility === undefined)
    return read.fail(place, 'must say application (MSH-3) or facility (MSH-4)');
  return { ...(application === undefined ? {} : { application }), ...(facility === undefined ? {} : { facility }) };
}

function boundClient(read: Reader, value: unknown, place: string): BoundClient | undefined {
  const object = read.object(value, place);
  if (object === undefined) return undefined;
  read.known(object, place, ['fingerprint', 'subject']);
  if ((object.fingerprint === undefined) === (object.subject === undefined))
    return read.fail(place, 'must say either fingerprint or subject');
  const hexadecimal = /^(?:[0-9a-f]{2}:?){31}[0-9a-f]{2}$/i;
  const fingerprint = read.text(
    object.fingerprint,
    `${place}.fingerprint`,
    hexadecimal,
    'the SHA-256 of the certificate: 64 hexadecimal digits, with or without colons',
  );
  if (fingerprint !== undefined) return { fingerprint: fingerprint.replaceAll(':', '').toLowerCase() };
  const subject = read.text(
    object.subject,
    `${place}.subject`,
    /^[^\p{Cc}]{3,500}$/u,
    'a subject such as O=Lab,CN=lab1',
  );
  return subject === undefined ? undefined : { subject };
}

function acknowledgementMode(read: Reader, value: unknown): AcknowledgementMode {
  if (value === undefined || value === 'original') return 'original';
  if (value === 'enhanced') return { accept: 'AL', application: 'AL' };
  const expected =
    'must be "original", "enhanced", or an object with accept and application: AL, NE, ER or SU (table 0155)';
  if (typeof value !== 'object' || value === null || !('accept' in value) || !('application' in value)) {
    read.fail('acknowledgement', expected);
    return 'original';
  }
  const { accept, application } = value;
  if (!isAcknowledgementCondition(accept) || !isAcknowledgementCondition(application)) {
    read.fail('acknowledgement', expected);
    return 'original';
  }
  return { accept, application };
}

function processingId(read: Reader, value: unknown, place: string): ProcessingId | undefined {
  if (value === 'P' || value === 'T' || value === 'D') return value;
  return read.fail(place, 'must be P, T or D (table 0103)');
}

/** One coding or a list of them. */
function mappedCodes(read: Reader, value: unknown, place: string): readonly MappedCode[] | undefined {
  if (Array.isArray(value)) return read.list(value, place, (one, at) => mappedCode(read, one, at));
  const one = mappedCode(read, value, place);
  return one === undefined ? undefined : [one];
}

function mappedCode(read: Reader, value: unknown, place: string): MappedCode | undefined {
  const object = read.object(value, place);
  if (object === undefined) return undefined;
  read.known(object, place, ['system', 'code', 'display']);
  const system = read.uri(object.system ?? null, `${place}.system`);
  // R4 `code`: no blanks at its ends, single ones inside.
  const code = read.text(object.code ?? null, `${place}.code`, /^\S+( \S+)*$/, 'a code');
  const display = read.text(object.display, `${place}.display`, SHORT_TEXT, 'text of at most 200 characters');
  if (system === undefined || code === undefined) return undefined;
  return { system, code, ...(display === undefined ? {} : { display }) };
}
