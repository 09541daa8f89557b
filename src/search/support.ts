/**
 * Which search parameters work and how (DESIGN section 7): those with rows of their own in the index, those that can only
 * narrow what another one finds, and which date a type is sorted by. Tables with a generic rule for the rest.
 */
import { codeTable } from '../core/code-table.ts';
import { DIRECTORY_TYPES, hasSingleSubject, subjectPaths } from '../formats/fhir/references.ts';
import { parametersOf, type SearchParameter } from './parameters.ts';

/**
 * - `indexed`: has rows in the index; can stand alone.
 * - `patient`: names the patient; searched through the patient's own index secret.
 * - `filter`: no rows; applied when opened records are re-checked, so another parameter must narrow the search first.
 */
export type Support = 'indexed' | 'patient' | 'filter';

/** What a person can be recognised by: rows only as the whole identifier, name prefixes, and name with birth date. */
export const PERSON_TYPES: ReadonlySet<string> = new Set(['Patient', 'RelatedPerson', 'Person']);

const PERSON_INDEXED: ReadonlySet<string> = new Set([
  'identifier',
  'name',
  'family',
  'given',
  'general-practitioner',
  'link',
]);

/** Indexed parameters of the types that make up most rows; all others of these types are filters. */
const SELECTED: Readonly<Record<string, ReadonlySet<string>>> = codeTable({
  Observation: new Set([
    'identifier',
    'status',
    'category',
    'code',
    'date',
    'encounter',
    'performer',
    'value-quantity',
    'value-concept',
    'based-on',
    'part-of',
    'specimen',
    'device',
    'has-member',
    'derived-from',
  ]),
  Encounter: new Set([
    'identifier',
    'status',
    'class',
    'type',
    'date',
    'participant',
    'practitioner',
    'location',
    'service-provider',
    'appointment',
    'account',
    'episode-of-care',
    'part-of',
    'based-on',
  ]),
  DiagnosticReport: new Set(['identifier', 'status', 'category', 'code', 'date', 'encounter', 'performer', 'based-on']),
  Condition: new Set(['identifier', 'clinical-status', 'category', 'code', 'onset-date', 'encounter']),
  ServiceRequest: new Set([
    'identifier',
    'status',
    'intent',
    'category',
    'code',
    'authored',
    'encounter',
    'requester',
    'performer',
    'requisition',
    'based-on',
  ]),
  DocumentReference: new Set(['identifier', 'status', 'type', 'category', 'date', 'encounter', 'author']),
  AllergyIntolerance: new Set(['identifier', 'clinical-status', 'category', 'code', 'date']),
  CarePlan: new Set(['identifier', 'status', 'intent', 'category', 'date', 'encounter']),
  Coverage: new Set(['identifier', 'status', 'type', 'payor']),
  // A study has hundreds of instances: their UIDs are found inside of the record.
  ImagingStudy: new Set(['identifier', 'status', 'modality', 'started', 'encounter', 'basedon', 'referrer']),
  Device: new Set(['identifier', 'status', 'type', 'organization', 'location']),
  // One is written for every access: who did it, and when; the rest inside a record or a range of dates.
  AuditEvent: new Set(['date', 'agent', 'altid']),
  // Most of them are not stored but rendered from messages, which are found by what they made.
  Provenance: new Set(['target']),
  Claim: new Set(['identifier', 'status', 'use', 'created', 'provider', 'insurer', 'encounter']),
  ExplanationOfBenefit: new Set(['identifier', 'status', 'created', 'claim', 'provider', 'encounter', 'coverage']),
});

/** Never rows: flags that say little, marks of every resource, supersets of other parameters, addresses and contacts. */
const FILTERS: ReadonlySet<string> = new Set([
  '_lastUpdated',
  '_profile',
  '_security',
  '_tag',
  '_source',
  'active',
  'gender',
  'deceased',
  'death-date',
  'birthdate',
  'address-use',
  'phone',
  'email',
  'telecom',
  'language',
  'combo-code',
  'combo-value-concept',
  'combo-value-quantity',
  'combo-data-absent-reason',
  'data-absent-reason',
  'component-data-absent-reason',
  'signature-type',
]);

/** Official parameters that do not work: sounds, geography, full text, resources inside bundles, computed values. */
const UNSUPPORTED: ReadonlySet<string> = new Set([
  '_content',
  '_text',
  '_query',
  'phonetic',
  'near',
  'composition',
  'message',
]);

/** How a parameter of a type is supported; undefined when it is not. */
export function supportOf(type: string, parameter: SearchParameter): Support | undefined {
  const { name, paths } = parameter;
  if (paths.length === 0 || (type === 'Bundle' && UNSUPPORTED.has(name))) return undefined;
  if (parameter.type === 'composite' || parameter.type === 'special' || name === 'phonetic' || name === '_id')
    return undefined;
  if (parameter.type === 'reference' && namesThePatient(type, parameter)) return 'patient';
  if (FILTERS.has(name)) return 'filter';
  if (PERSON_TYPES.has(type)) return PERSON_INDEXED.has(name) ? 'indexed' : 'filter';
  const selected = SELECTED[type];
  if (selected !== undefined) return selected.has(name) ? 'indexed' : 'filter';
  // Free text of clinical records would cost ten rows a value; of the directory it is what people search by.
  if (parameter.type === 'string') return DIRECTORY_TYPES.has(type) ? 'indexed' : 'filter';
  if (parameter.type === 'token' && paths.every((path) => path.kind === 'boolean')) return 'filter';
  return 'indexed';
}

/**
 * The parameter whose rows find this one's values: `family` and `given` are parts of `name`, `practitioner` is a `participant` of
 * one type.
 */
export function indexName(type: string, parameter: SearchParameter): string {
  const { name } = parameter;
  if (parameter.type === 'reference' && parameter.paths.every((path) => path.only !== undefined)) {
    const steps = stepsOf(parameter);
    for (const other of parametersOf(type).values()) {
      if (other.paths.every((path) => path.only === undefined) && stepsOf(other) === steps) return other.name;
    }
  }
  const whole =
    name === 'family' || name === 'given'
      ? 'name'
      : name.startsWith('address-') && parameter.type === 'string'
        ? 'address'
        : name;
  return parametersOf(type).get(whole)?.type === 'string' ? whole : name;
}

function stepsOf(parameter: SearchParameter): string {
  return parameter.paths.map((path) => path.steps.map((step) => step.name).join('.')).join(' ');
}

/** True for `patient`, and for `subject` where it is the element by which a resource belongs to its patient. */
function namesThePatient(type: string, parameter: SearchParameter): boolean {
  if (type === 'Patient') return false;
  const subjects = subjectPaths(type).map((path) => path.join('.'));
  const single = hasSingleSubject(type);
  return parameter.paths.every(
    (path) =>
      (path.only === 'Patient' || (single && path.only === undefined)) &&
      subjects.includes(path.steps.map((step) => step.name).join('.')),
  );
}

/** The parameter whose date is the sort time of a type, where that is not the first of the usual names. */
const SORT_PARAMETER: Readonly<Record<string, string>> = codeTable({
  Condition: 'onset-date',
  MedicationAdministration: 'effective-time',
  MedicationDispense: 'whenhandedover',
  MedicationRequest: 'authoredon',
  ServiceRequest: 'authored',
  Specimen: 'collected',
  Provenance: 'recorded',
  Communication: 'sent',
  Appointment: 'date',
});

const USUAL_SORT = [
  'date',
  'authored',
  'authoredon',
  'authored-on',
  'effective',
  'started',
  'created',
  'period',
  'start-date',
  'datetime',
  'recorded',
  'identified',
  'occurrence',
  'issued',
  'datewritten',
  'start',
] as const;

/** Elements that give the sort time where the parameter's own is absent, in this order. */
export const SORT_ELEMENTS = [
  'effectiveDateTime',
  'occurrenceDateTime',
  'performedDateTime',
  'authoredOn',
  'whenPrepared',
  'period',
  'recordedDate',
  'recorded',
  'issued',
  'assertedDate',
  'dateAsserted',
  'date',
  'created',
  'receivedTime',
  'recordedOn',
  'sent',
  'start',
] as const;

/**
 * The date parameter whose earliest moment is the sort time of this type's rows; undefined for people and the directory,
 * which are sorted by when they were last changed: a birth date must not stand in clear.
 */
export function sortParameter(type: string): SearchParameter | undefined {
  if (PERSON_TYPES.has(type) || DIRECTORY_TYPES.has(type)) return undefined;
  const all = parametersOf(type);
  const named = SORT_PARAMETER[type];
  if (named !== undefined) return all.get(named);
  for (const name of USUAL_SORT) {
    const parameter = all.get(name);
    if (parameter?.type === 'date') return parameter;
  }
  return undefined;
}
