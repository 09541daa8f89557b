/**
 * CE, CWE, CNE, CF, IS and ID to CodeableConcept and Coding. Primary, alternate and second alternate triplets become
 * codings of their own; the name of the coding system decides the FHIR system, local names one of the source's.
 */
import { codeTable } from '../../../core/code-table.ts';
import { components } from '../../../formats/hl7v2/delimiters.ts';
import { codeOf, compact, textOf, type Context, type Element } from '../context.ts';
import { localCodeSystem, type MappedCode } from '../source-profile.ts';

export const V2_TABLE = 'http://terminology.hl7.org/CodeSystem/v2-';

/** HL7 table 0396 to FHIR systems (https://terminology.hl7.org). */
const SYSTEMS: Readonly<Record<string, string>> = codeTable({
  LN: 'http://loinc.org',
  LOINC: 'http://loinc.org',
  SCT: 'http://snomed.info/sct',
  SCT2: 'http://snomed.info/sct',
  SNM: 'http://snomed.info/sct',
  SNOMED: 'http://snomed.info/sct',
  'SNOMED-CT': 'http://snomed.info/sct',
  SNOMEDCT: 'http://snomed.info/sct',
  UCUM: 'http://unitsofmeasure.org',
  RXNORM: 'http://www.nlm.nih.gov/research/umls/rxnorm',
  NDC: 'http://hl7.org/fhir/sid/ndc',
  CVX: 'http://hl7.org/fhir/sid/cvx',
  MVX: 'http://terminology.hl7.org/CodeSystem/MVX',
  I9: 'http://hl7.org/fhir/sid/icd-9-cm',
  I9C: 'http://hl7.org/fhir/sid/icd-9-cm',
  I10: 'http://hl7.org/fhir/sid/icd-10',
  I10C: 'http://hl7.org/fhir/sid/icd-10-cm',
  ICD10: 'http://hl7.org/fhir/sid/icd-10',
  'ICD-10': 'http://hl7.org/fhir/sid/icd-10',
  C4: 'http://www.ama-assn.org/go/cpt',
  CPT4: 'http://www.ama-assn.org/go/cpt',
  CPT: 'http://www.ama-assn.org/go/cpt',
  HCPCS: 'http://terminology.hl7.org/CodeSystem/HCPCS',
  CDCREC: 'urn:oid:2.16.840.1.113883.6.238',
  ATC: 'http://www.whocc.no/atc',
  WC: 'http://www.whocc.no/atc',
  ISO3166_1: 'urn:iso:std:iso:3166',
  NUCC: 'http://nucc.org/provider-taxonomy',
  NCIT: 'http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl',
});

/**
 * FHIR system of a coding system's name (CWE.3): the source's own table, well-known names, `HL7nnnn` tables, else a local
 * system of the source.
 */
export function codeSystemOf(context: Context, name: string): string {
  const { profile } = context;
  if (Object.hasOwn(profile.codeSystems, name)) return profile.codeSystems[name] ?? '';
  const known = SYSTEMS[name.toUpperCase()];
  if (known !== undefined) return known;
  const table = /^HL7(\d{4})$/.exec(name);
  return table === null ? localCodeSystem(profile, name) : V2_TABLE + table[1];
}

/** Components where the three triplets begin, and their version ids. */
const TRIPLETS = [
  [0, 6],
  [3, 7],
  [9, 12],
] as const;

/** Codings of a coded value. `defaultSystem` holds for a primary code that names no system. */
export function codingsOf(context: Context, raw: string, defaultSystem?: string): Element[] {
  return codingsFrom(context, components(raw, context.by), defaultSystem);
}

function codingsFrom(context: Context, parts: readonly string[], defaultSystem: string | undefined): Element[] {
  const codings: Element[] = [];
  const mapped: MappedCode[] = [];
  for (const [at, versionAt] of TRIPLETS) {
    if (at >= parts.length) break;
    const code = codeOf(context, parts[at]);
    if (code === undefined) continue;
    const name = textOf(context, parts[at + 2]);
    const system = name === undefined ? (at === 0 ? defaultSystem : undefined) : codeSystemOf(context, name);
    const display = textOf(context, parts[at + 1]);
    const version = textOf(context, parts[versionAt]);
    // The same code twice (primary repeated as alternate) says it once.
    if (codings.some((known) => known.code === code && known.system === system)) continue;
    codings.push(compact({ system, version, code, display }));
    mapped.push(...standardCodes(context, name ?? '', code));
  }
  // Behind the codes that were sent: what a record is known by does not change with the source's map.
  for (const { system, code, display } of mapped) {
    if (!codings.some((known) => known.code === code && known.system === system))
      codings.push(compact({ system, code, display }));
  }
  return codings;
}

/** What the source's map says that a code means. */
function standardCodes({ profile: { codes } }: Context, name: string, code: string): readonly MappedCode[] {
  return Object.hasOwn(codes, name) && Object.hasOwn(codes[name], code) ? codes[name][code] : [];
}

/** CodeableConcept of a coded value; undefined when it is empty. Text is CWE.9, else that of a value without codes. */
export function conceptOf(context: Context, raw: string | undefined, defaultSystem?: string): Element | undefined {
  if (raw === undefined || raw === '' || raw === '""') return undefined;
  const parts = components(raw, context.by);
  const coding = codingsFrom(context, parts, defaultSystem);
  const text =
    textOf(context, parts[8]) ??
    (coding.length > 0 ? undefined : (textOf(context, parts[1]) ?? textOf(context, parts[4])));
  if (coding.length === 0 && text === undefined) return undefined;
  return compact({ coding, text });
}

/** With the code that a map gives for the first one; alternate codes stay. */
export function mappedTo(concept: Element | undefined, mapped: Element | undefined): Element | undefined {
  if (concept === undefined || mapped === undefined) return concept;
  const others = Array.isArray(concept.coding) ? concept.coding.slice(1) : [];
  return { ...concept, coding: [mapped, ...others] };
}

/**
 * Concept of a field of an HL7 table (`0006`) that has a map: the mapped code first, the one that was sent behind it, or
 * instead of it (`'instead'`: where both say the same). A code of another system that happens to have the same letters is not mapped.
 */
export function tableConcept(
  context: Context,
  raw: string | undefined,
  table: string,
  map: Readonly<Record<string, Element>>,
  place: 'before' | 'instead' = 'before',
): Element | undefined {
  const system = V2_TABLE + table;
  const concept = conceptOf(context, raw, system);
  const [first, ...others]: Element[] = Array.isArray(concept?.coding) ? concept.coding : [];
  if (concept === undefined || first?.system !== system) return concept;
  const mapped = map[String(first.code)];
  if (mapped === undefined) return concept;
  return { ...concept, coding: [mapped, ...(place === 'before' ? [first] : []), ...others] };
}

/** `system|code` of a coding, for business keys; empty without one. */
export function codingText(coding: Element | undefined): string {
  if (coding === undefined) return '';
  const system = typeof coding.system === 'string' ? coding.system : '';
  return `${system}|${String(coding.code)}`;
}
