/**
 * References inside a FHIR resource: rewriting them, and finding the patient whose record a resource belongs to
 * (R4 CompartmentDefinition/patient, narrowed to the element that names the subject). Pure; resolves nothing itself.
 */
import { codeTable } from '../../core/code-table.ts';
import type { Resource } from './resource.ts';

/**
 * Types that may be stored without a patient, in the DIRECTORY lockbox (DESIGN section 2): practitioners, organisations,
 * locations, devices, medications, endpoints. Anything else without a subject is refused. A Device that names a patient
 * belongs to that patient. Substances are not among them.
 */
export const DIRECTORY_TYPES: ReadonlySet<string> = new Set([
  'Practitioner',
  'PractitionerRole',
  'Organization',
  'OrganizationAffiliation',
  'HealthcareService',
  'Location',
  'Device',
  'DeviceDefinition',
  'DeviceMetric',
  'Medication',
  'MedicationKnowledge',
  'Endpoint',
]);

/**
 * The element that names the patient, by type. `!`: it can only be a Patient. `*`: it repeats or mostly names others, so
 * that only what is certainly a Patient counts. Bare: a subject, which is a Patient unless the reference says otherwise.
 */
const SUBJECT_ELEMENT: Readonly<Record<string, string>> = codeTable({
  Account: '*subject',
  AdverseEvent: 'subject',
  AllergyIntolerance: '!patient',
  Appointment: '*participant.actor',
  AppointmentResponse: '*actor',
  AuditEvent: '*agent.who *entity.what',
  Basic: 'subject',
  Binary: '*securityContext',
  // The gateway's own record of where the content of a Binary lies; never served over FHIR.
  BinaryContent: 'subject',
  BodyStructure: '!patient',
  CarePlan: 'subject',
  CareTeam: 'subject',
  ChargeItem: 'subject',
  Claim: '!patient',
  ClaimResponse: '!patient',
  ClinicalImpression: 'subject',
  Communication: 'subject',
  CommunicationRequest: 'subject',
  Composition: 'subject',
  Condition: 'subject',
  Consent: '!patient',
  Contract: '*subject',
  Coverage: '!beneficiary',
  CoverageEligibilityRequest: '!patient',
  CoverageEligibilityResponse: '!patient',
  DetectedIssue: '!patient',
  Device: '!patient',
  DeviceRequest: 'subject',
  // The gateway's own record of a stored DICOM object; never served over FHIR.
  DicomInstance: 'subject',
  DeviceUseStatement: 'subject',
  DiagnosticReport: 'subject',
  DocumentManifest: 'subject',
  DocumentReference: 'subject',
  Encounter: 'subject',
  EnrollmentRequest: '!candidate',
  EpisodeOfCare: '!patient',
  ExplanationOfBenefit: '!patient',
  FamilyMemberHistory: '!patient',
  Flag: 'subject',
  Goal: 'subject',
  Group: '*member.entity',
  GuidanceResponse: 'subject',
  ImagingStudy: 'subject',
  Immunization: '!patient',
  ImmunizationEvaluation: '!patient',
  ImmunizationRecommendation: '!patient',
  Invoice: 'subject',
  List: 'subject',
  MeasureReport: 'subject',
  Media: 'subject',
  MedicationAdministration: 'subject',
  MedicationDispense: 'subject',
  MedicationRequest: 'subject',
  MedicationStatement: 'subject',
  MolecularSequence: '!patient',
  NutritionOrder: '!patient',
  Observation: 'subject',
  Person: '*link.target',
  Procedure: 'subject',
  Provenance: '*target',
  QuestionnaireResponse: 'subject',
  RelatedPerson: '!patient',
  RequestGroup: 'subject',
  ResearchSubject: '!individual',
  RiskAssessment: 'subject',
  Schedule: '*actor',
  ServiceRequest: 'subject',
  Specimen: 'subject',
  SupplyDelivery: '!patient',
  SupplyRequest: '*deliverTo',
  Task: 'for',
  VisionPrescription: '!patient',
});

interface SubjectRule {
  readonly paths: readonly (readonly string[])[];
  readonly mode: 'patient' | 'subject' | 'several';
}

const RULES: ReadonlyMap<string, SubjectRule> = new Map(
  Object.entries(SUBJECT_ELEMENT).map(([type, text]) => {
    const mode = text.startsWith('!') ? 'patient' : text.startsWith('*') ? 'several' : 'subject';
    return [type, { mode, paths: text.split(' ').map((path) => path.replace(/^[!*]/, '').split('.')) }];
  }),
);

/** True when the patient stands in an element of its own, false when in a list of participants or targets. */
export function hasSingleSubject(type: string): boolean {
  const mode = RULES.get(type)?.mode;
  return mode === 'patient' || mode === 'subject';
}

/** JSON property paths at which the patient of this type stands, e.g. `[['subject']]`; empty for types without one. */
export function subjectPaths(type: string): readonly (readonly string[])[] {
  return RULES.get(type)?.paths ?? [];
}

/**
 * The reference to the patient whose record this resource is, as it stands in the resource but for a version: `Patient/123`, an
 * absolute URL, or a placeholder (`urn:uuid:...`, `change:0`). Undefined when there is none, when it is another kind of subject (a
 * Group, a Device), a contained resource, a bare identifier, or when several patients are named. A Patient is its own subject once
 * it has an id.
 *
 * `typeOf` tells the resource type behind a placeholder, where the caller knows; without it a placeholder in a `subject` or
 * `patient` element is taken for a Patient and one in a list of participants is not.
 */
export function subjectOf(resource: Resource, typeOf?: (reference: string) => string | undefined): string | undefined {
  if (resource.resourceType === 'Patient') return resource.id === undefined ? undefined : `Patient/${resource.id}`;
  const rule = RULES.get(resource.resourceType);
  if (rule === undefined) return undefined;
  let subject: string | undefined;
  for (const path of rule.paths) {
    for (const found of referencesAt(resource, path, 0)) {
      const type =
        typeOfReference(found) ?? typeOf?.(found.reference) ?? (rule.mode === 'several' ? undefined : 'Patient');
      if (type !== 'Patient' || found.reference.startsWith('#')) continue;
      const reference = found.reference.replace(VERSION_SUFFIX, '');
      if (subject !== undefined && subject !== reference) return undefined;
      subject = reference;
    }
  }
  return subject;
}

/** A reference to a version is one to the patient all the same: an AuditEvent names both. */
const VERSION_SUFFIX = /\/_history\/[A-Za-z0-9\-.]{1,64}$/;

interface FoundReference {
  readonly reference: string;
  readonly type?: unknown;
}

function referencesAt(value: unknown, path: readonly string[], at: number): FoundReference[] {
  if (Array.isArray(value)) return value.flatMap((entry) => referencesAt(entry, path, at));
  if (!isRecord(value)) return [];
  if (at < path.length) return referencesAt(value[path[at] ?? ''], path, at + 1);
  return typeof value.reference === 'string' ? [{ reference: value.reference, type: value.type }] : [];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const TYPED_REFERENCE = /(?:^|\/)([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/[A-Za-z0-9\-.]{1,64})?$/;

function typeOfReference(found: FoundReference): string | undefined {
  return parseReference(found.reference)?.type ?? (typeof found.type === 'string' ? found.type : undefined);
}

/**
 * Type and id that a reference ends in, relative (`Patient/1`, with or without `/_history/2`) or absolute; undefined for
 * contained references, URNs and anything else.
 */
export function parseReference(
  reference: string,
): { readonly type: string; readonly id: string; readonly local: boolean } | undefined {
  const match = TYPED_REFERENCE.exec(reference);
  if (match === null) return undefined;
  const [, type = '', id = ''] = match;
  return { type, id, local: match.index === 0 && !reference.startsWith('/') };
}

/**
 * The resource with every `Reference.reference` replaced by what `fn` returns for it, at any depth, contained resources
 * and extensions included; and likewise attachment URLs that name another entry of a transaction or Change of a message. Parts in which
 * nothing changed are shared with the input, and the input itself is returned when nothing changed at all.
 */
export function mapReferences<T extends object>(resource: T, fn: (reference: string) => string): T {
  return mapValue(resource, fn) as T;
}

function mapValue(value: unknown, fn: (reference: string) => string): unknown {
  if (Array.isArray(value)) {
    let copy: unknown[] | undefined;
    for (let at = 0; at < value.length; at += 1) {
      const mapped = mapValue(value[at], fn);
      if (mapped !== value[at]) (copy ??= value.slice())[at] = mapped;
    }
    return copy ?? value;
  }
  if (!isRecord(value)) return value;
  let copy: Record<string, unknown> | undefined;
  for (const key in value) {
    const child = value[key];
    let mapped: unknown = child;
    if (typeof child === 'string') {
      if (key === 'reference' || (key === 'url' && PLACEHOLDER.test(child) && isAttachment(value))) mapped = fn(child);
    } else if (typeof child === 'object') mapped = mapValue(child, fn);
    if (mapped !== child) (copy ??= { ...value })[key] = mapped;
  }
  return copy ?? value;
}

/** What stands for another entry of a transaction, or another Change of a message. */
const PLACEHOLDER = /^(?:urn:uuid:|change:\d)/;

/** An object with a `url` is an Extension or one of few other types unless it also says what the content is. */
function isAttachment(value: Readonly<Record<string, unknown>>): boolean {
  return (
    value.contentType !== undefined ||
    value.title !== undefined ||
    value.hash !== undefined ||
    value.creation !== undefined
  );
}
