/**
 * What the gateway must know of a source to read its messages: its clock, its character set, the systems (URIs) for what its
 * identifiers and codes leave unsaid, what its local codes mean, and whose numbers it may write for.
 */
import { codeTable } from '../../core/code-table.ts';
import { GatewayError } from '../../core/errors.ts';
import type { BusinessKey } from '../../formats/fhir/change.ts';
import { charsetOf, type Charset } from '../../formats/hl7v2/charset.ts';
import { isTimeZone } from '../../formats/hl7v2/dtm.ts';

export interface SourceProfile {
  /** Part of the identity of its messages. */
  readonly name: string;
  /** IANA zone of times without an offset; undefined: the offset of MSH-7, else such times keep their date only. */
  readonly zone: string | undefined;
  /** Charset of messages with an empty MSH-18. */
  readonly charset: Charset;
  /** What the source means by what it writes in MSH-18, where that is not what the standard means by it. */
  readonly charsets: Readonly<Record<string, Charset>>;
  /** System of identifiers that name no assigner; systems of unknown namespaces and local codes are made from it. */
  readonly assigner: string;
  /** Namespace (HD.1) to system, for assigners that send no OID. */
  readonly namespaces: Readonly<Record<string, string>>;
  /** Name of coding system (CWE.3) to system, before the table of well-known names. */
  readonly codeSystems: Readonly<Record<string, string>>;
  /** What local codes mean: by the name of their coding system (CWE.3; empty where none is said), then by code. */
  readonly codes: Readonly<Record<string, Readonly<Record<string, readonly MappedCode[]>>>>;
  /** Systems of patient numbers that the source may write for; undefined: any. */
  readonly assigners: ReadonlySet<string> | undefined;
  /** System whose number decides where the numbers of a message belong to different patients. */
  readonly primaryAssigner: string | undefined;
  /** Version in the ledger; 0: made from the settings, or from a file. */
  readonly version: number;
}

/** A code of a standard system that means the same as a local one. */
export interface MappedCode {
  readonly system: string;
  readonly code: string;
  readonly display?: string;
}

/** The settings a profile is made from; `charset` is a name of table 0211. */
export interface SourceProfileSettings {
  readonly name: string;
  readonly timeZone?: string;
  readonly charset: string;
  readonly charsets?: SourceProfile['charsets'];
  readonly assigner: string;
  readonly namespaces?: Readonly<Record<string, string>>;
  readonly codeSystems?: Readonly<Record<string, string>>;
  readonly codes?: SourceProfile['codes'];
  readonly assigners?: readonly string[];
  readonly primaryAssigner?: string;
  readonly version?: number;
}

/** Throws `invalid-content` for a charset or time zone that this platform does not know. */
export function makeSourceProfile(settings: SourceProfileSettings): SourceProfile {
  const charset = charsetOf(settings.charset);
  if (charset === undefined)
    throw new GatewayError('invalid-content', 'the character set of the source is not one of HL7 table 0211');
  if (settings.timeZone !== undefined && !isTimeZone(settings.timeZone)) {
    throw new GatewayError('invalid-content', 'the time zone of the source is not an IANA name');
  }
  return {
    name: settings.name,
    zone: settings.timeZone,
    charset,
    charsets: settings.charsets ?? {},
    assigner: settings.assigner,
    namespaces: settings.namespaces ?? {},
    codeSystems: settings.codeSystems ?? {},
    codes: settings.codes ?? {},
    assigners: settings.assigners === undefined ? undefined : new Set(settings.assigners),
    primaryAssigner: settings.primaryAssigner,
    version: settings.version ?? 0,
  };
}

/** True when the source may write for whoever has numbers of this system. */
export function mayWriteFor(profile: SourceProfile, system: string): boolean {
  return profile.assigners === undefined || profile.assigners.has(system);
}

/** HD as text: namespace, universal id and its type. */
export interface Assigner {
  readonly namespace?: string | undefined;
  readonly universalId?: string | undefined;
  readonly universalIdType?: string | undefined;
}

/** Identifier types that mean "the patient's number here": one assigner does not number them apart. */
const PATIENT_NUMBERS = new Set(['', 'MR', 'PI', 'PT', 'U']);

/** National number types whose registry is the same whoever sends them. */
const NATIONAL: Readonly<Record<string, string>> = codeTable({
  NPI: 'http://hl7.org/fhir/sid/us-npi',
  SS: 'http://hl7.org/fhir/sid/us-ssn',
});

/**
 * System of an identifier (DESIGN section 6): the assigner's OID or URI; else the source's namespace table; else a system
 * of the source's own, apart for each namespace and for each type of number, so that equal bare numbers never meet.
 * `type` is a code of table 0203.
 */
export function identifierSystem(
  profile: Pick<SourceProfile, 'assigner' | 'namespaces'>,
  assigner: Assigner,
  type = '',
): string {
  const { namespace, universalId, universalIdType } = assigner;
  if (universalId !== undefined) {
    const system = universalSystem(universalId, universalIdType);
    if (system !== undefined) return system;
  }
  if (
    Object.hasOwn(NATIONAL, type) &&
    (type === 'NPI' || namespace === undefined || namespace === 'USSSA' || namespace === 'SSA')
  ) {
    return NATIONAL[type] ?? '';
  }
  const name = namespace ?? universalId;
  if (name !== undefined && Object.hasOwn(profile.namespaces, name)) return profile.namespaces[name] ?? '';
  const parts = [...(name === undefined ? [] : [name]), ...(PATIENT_NUMBERS.has(type) ? [] : [type])];
  return subsystem(profile.assigner, parts);
}

/** URI of a universal id by its type of table 0301; undefined when it is none. */
export function universalSystem(id: string, type: string | undefined): string | undefined {
  switch (type) {
    case 'ISO':
      return /^[0-2](\.(0|[1-9]\d*))+$/.test(id) ? `urn:oid:${id}` : undefined;
    case 'UUID':
    case 'GUID':
      return /^[0-9a-f-]{36}$/i.test(id) ? `urn:uuid:${id.toLowerCase()}` : undefined;
    case 'URI':
    case 'HTTP':
      return /^[a-z][a-z0-9+.-]*:\S+$/i.test(id) ? id : undefined;
    case undefined:
    case '':
      // Senders leave the type out; an OID of three arcs and more is nothing else.
      return /^[0-2](\.(0|[1-9]\d*)){3,}$/.test(id) ? `urn:oid:${id}` : undefined;
    default:
      return undefined;
  }
}

/** A system below another: `https://x/ids` and `LAB` give `https://x/ids/LAB`; URNs are divided by colons. */
function subsystem(base: string, parts: readonly string[]): string {
  const divider = base.includes('://') ? '/' : ':';
  return [base, ...parts.map((part) => encodeURIComponent(part))].join(divider);
}

/** System of local codes of the source, by the name it gives them. */
export function localCodeSystem(profile: SourceProfile, name: string): string {
  return subsystem(profile.assigner, ['codes', name]);
}

/** The business key of an identifier, as every protocol must make it: its FHIR system and value. */
export function identifierKey(system: string, value: string): BusinessKey {
  return ['identifier', system, value];
}
