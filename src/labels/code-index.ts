/**
 * The code lists compiled for lookup: a map for systems of whole codes, a prefix map for ICD and ATC. Built once when the
 * module loads.
 */
import { ATC, ICD10, ICD9, LOINC, RXNORM, SNOMED } from './code-lists.ts';
import { maskOf } from './sensitivity-mask.ts';

type Lookup = (code: string) => number;

interface Rule {
  readonly labels: string;
  readonly codes: string;
}

function whole(rules: readonly Rule[]): Lookup {
  const map = new Map<string, number>();
  for (const { labels, codes } of rules) {
    for (const code of codes.split(' ')) map.set(code, (map.get(code) ?? 0) | maskOf(labels));
  }
  return (code) => map.get(code) ?? 0;
}

const RANGE = /^([A-Z]?)(\d+)-\1(\d+)$/;

/** `F20-F29` as ten prefixes, anything else as itself. */
function expand(code: string): readonly string[] {
  const match = RANGE.exec(code);
  if (match === null) return [code];
  const [, letter = '', from = '', to = ''] = match;
  const prefixes: string[] = [];
  for (let n = Number(from); n <= Number(to); n++) prefixes.push(letter + String(n).padStart(from.length, '0'));
  return prefixes;
}

function prefixes(rules: readonly Rule[]): Lookup {
  const map = new Map<string, number>();
  let longest = 0;
  for (const { labels, codes } of rules) {
    for (const prefix of codes.split(' ').flatMap(expand)) {
      map.set(prefix, (map.get(prefix) ?? 0) | maskOf(labels));
      longest = Math.max(longest, prefix.length);
    }
  }
  return (code) => {
    const bare = code.replace('.', '').toUpperCase();
    let mask = 0;
    for (let length = 3; length <= longest && length <= bare.length; length++)
      mask |= map.get(bare.slice(0, length)) ?? 0;
    return mask;
  };
}

const icd10 = prefixes(ICD10);
const icd9 = prefixes(ICD9);
const loinc = whole(LOINC);
const snomed = whole(SNOMED);
const rxnorm = whole(RXNORM);
const atc = prefixes(ATC);

/** FHIR system URIs and the OIDs under which the same systems arrive. */
const SYSTEMS = new Map<string, Lookup>([
  ['http://loinc.org', loinc],
  ['urn:oid:2.16.840.1.113883.6.1', loinc],
  ['http://snomed.info/sct', snomed],
  ['urn:oid:2.16.840.1.113883.6.96', snomed],
  ['http://hl7.org/fhir/sid/icd-10', icd10],
  ['http://hl7.org/fhir/sid/icd-10-cm', icd10],
  ['http://hl7.org/fhir/sid/icd-10-de', icd10],
  ['http://hl7.org/fhir/sid/icd-10-nl', icd10],
  ['http://fhir.de/CodeSystem/bfarm/icd-10-gm', icd10],
  ['http://fhir.de/CodeSystem/dimdi/icd-10-gm', icd10],
  ['http://terminology.hl7.org/CodeSystem/icd10', icd10],
  ['urn:oid:2.16.840.1.113883.6.3', icd10],
  ['urn:oid:2.16.840.1.113883.6.90', icd10],
  ['http://hl7.org/fhir/sid/icd-9-cm', icd9],
  ['http://terminology.hl7.org/CodeSystem/icd9', icd9],
  ['urn:oid:2.16.840.1.113883.6.103', icd9],
  ['http://www.nlm.nih.gov/research/umls/rxnorm', rxnorm],
  ['urn:oid:2.16.840.1.113883.6.88', rxnorm],
  ['http://www.whocc.no/atc', atc],
  ['http://fhir.de/CodeSystem/bfarm/atc', atc],
]);

/** Bits of the labels that a coding carries by the lists; 0 for systems without a list. */
export function maskOfCode(system: string, code: string): number {
  const lookup = SYSTEMS.get(system);
  return lookup === undefined ? 0 : lookup(code);
}
