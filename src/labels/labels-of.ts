/**
 * Which lockbox a record belongs to (DESIGN sections 2 and 8): labels are put on before the lockbox is chosen, for every
 * protocol. What the source says (`meta.security`) and what the record's codes and words say are joined; nothing lowers
 * them. Without sensitivity: `R` for unlabelled narrative, documents and images, else `N`. Pure, and fast enough to run
 * on every resource at intake. It looks at one record alone: a report does not learn from its results.
 */
import { FhirDecimal } from '../formats/fhir/json.ts';
import { DIRECTORY_TYPES } from '../formats/fhir/references.ts';
import type { Coding, Resource } from '../formats/fhir/resource.ts';
import { labelSet, type LabelSet } from './label.ts';
import { maskOfCode } from './code-index.ts';
import { securityMarks } from './security-codes.ts';
import { BIT, RESTRICTED, clinicalSet, extendedSet } from './sensitivity-mask.ts';
import { maskOfWords } from './words.ts';

/** Free text longer than this many characters, or with a line break, is narrative: unlabelled it is `R`. */
export const NARRATIVE_CHARACTERS = 200;

const AUDIT = labelSet(['AUDIT']);
const CONSENT = labelSet(['CONSENT']);
const DIRECTORY = labelSet(['DIRECTORY']);

/** Who the person is, and nothing about their health. */
const DEMOGRAPHIC_TYPES = new Set(['Patient', 'RelatedPerson', 'Person']);

/** Narrative, documents and images by their nature. */
const NARRATIVE_TYPES = new Set([
  'Binary',
  'BinaryContent',
  'Bundle',
  'ClinicalImpression',
  'Communication',
  'CommunicationRequest',
  'Composition',
  'DicomInstance',
  'DocumentManifest',
  'DocumentReference',
  'ImagingStudy',
  'Media',
  'QuestionnaireResponse',
]);

/** Genetic information by their nature (family history: 45 CFR 160.103). */
const GENETIC_TYPES = new Set(['MolecularSequence', 'FamilyMemberHistory']);

/** Elements that hold no clinical code: identity, links, and `text`, which is judged by its status. */
const SKIPPED = new Set([
  'resourceType',
  'id',
  'meta',
  'implicitRules',
  'language',
  'text',
  'identifier',
  'subject',
  'patient',
]);

/** Elements that hold words of a person; the display of a reference is not among them, it is mostly a name. */
const WORDED = new Set(['text', 'valueString', 'conclusion', 'description', 'comment', 'title', 'summary']);

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function scan(value: unknown): number {
  if (typeof value === 'string') {
    return value.length > NARRATIVE_CHARACTERS || value.includes('\n') ? RESTRICTED : 0;
  }
  if (!isObject(value) || value instanceof FhirDecimal) return 0;
  let mask = 0;
  if (Array.isArray(value)) {
    for (const item of value) mask |= scan(item);
    return mask;
  }
  const { system, code, display } = value;
  if (typeof code === 'string') {
    if (typeof system === 'string') mask |= maskOfCode(system, code);
    if (typeof display === 'string') mask |= maskOfWords(display);
  }
  for (const key in value) mask |= scanElement(key, value[key]);
  return mask;
}

function securityCodings(resource: Resource): readonly Coding[] | undefined {
  const own = resource.meta?.security;
  const { securityLabel } = resource;
  if (resource.resourceType !== 'DocumentReference' || !Array.isArray(securityLabel)) return own;
  const labels = securityLabel.flatMap((concept: { coding?: Coding[] } | null) => concept?.coding ?? []);
  return [...(own ?? []), ...labels];
}

function scanElement(key: string, value: unknown): number {
  if (typeof value === 'string') return WORDED.has(key) ? scan(value) | maskOfWords(value) : scan(value);
  let mask = scan(value);
  if (key === 'coding' && Array.isArray(value)) {
    // A coding may have a display and nothing else.
    for (const { code, display } of value.filter(isObject)) {
      if (code === undefined && typeof display === 'string') mask |= maskOfWords(display);
    }
  }
  return mask;
}

/** True for a narrative that a person wrote (R4 narrative-status `additional`); `generated` repeats the data. */
function hasOwnNarrative(resource: Resource): boolean {
  const { text } = resource;
  return typeof text === 'object' && text !== null && 'status' in text && text.status === 'additional';
}

/** The label set of a record, canonical and never empty. Deletions have no content: the caller keeps the set of the version they end. */
export function labelsOf(resource: Resource): LabelSet {
  const type = resource.resourceType;
  if (type === 'AuditEvent') return AUDIT;
  if (type === 'Consent') return CONSENT;
  if (DIRECTORY_TYPES.has(type) && resource.patient === undefined) return DIRECTORY;
  const marks = securityMarks(securityCodings(resource));
  if (DEMOGRAPHIC_TYPES.has(type)) return extendedSet('IDENT', marks.mask);
  let mask = marks.mask;
  for (const key in resource) {
    if (!SKIPPED.has(key)) mask |= scanElement(key, resource[key]);
  }
  if (GENETIC_TYPES.has(type)) mask |= BIT.GEN;
  if (NARRATIVE_TYPES.has(type) || hasOwnNarrative(resource)) mask |= RESTRICTED;
  // A source that itself calls a document normal is believed, as long as no code or word contradicts it.
  if (marks.normal) mask &= ~RESTRICTED;
  return clinicalSet(mask);
}
