/**
 * R4 invariants by hand (the `constraint` keys of the StructureDefinitions), by the type or backbone element they stand on.
 * Each returns the key it breaks. Structure and data types are already checked where one runs, but the value may still be wrong
 * anywhere, so nothing is assumed of it. Invariants of conformance resources (StructureDefinition, ValueSet ...) are left out:
 * such resources cannot be stored here.
 */
import { codeTable } from '../../core/code-table.ts';

/** A JSON object as the checks see it. */
export type Fields = Readonly<Record<string, unknown>>;

/** Key of an invariant and what it demands, in words that tell the sender what to change. */
interface Rule {
  readonly key: string;
  readonly severity?: 'warning';
  readonly demands: string;
  readonly holds: (value: Fields) => boolean;
}

const has = (value: Fields, name: string): boolean => value[name] !== undefined || value[`_${name}`] !== undefined;
const hasChoice = (value: Fields, name: string): boolean =>
  Object.keys(value).some((key) => isChoice(key, name) || (key.startsWith('_') && isChoice(key.slice(1), name)));
const isChoice = (key: string, name: string): boolean =>
  key.length > name.length &&
  key.startsWith(name) &&
  key.charCodeAt(name.length) >= 65 &&
  key.charCodeAt(name.length) <= 90;
const list = (value: unknown): readonly Fields[] =>
  Array.isArray(value) ? (value as readonly unknown[]).filter(isFields) : [];
const fields = (value: unknown): Fields => (isFields(value) ? value : {});
const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const coded = (concept: unknown, system: string, codes: readonly string[]): boolean =>
  list(fields(concept).coding).some((coding) => coding.system === system && isOneOf(coding.code, codes));
/** No `String(value)`: of an object from outside with a `toString` of its own there is none. */
const isOneOf = (value: unknown, of: readonly string[]): boolean => typeof value === 'string' && of.includes(value);
const number = (value: unknown): number | undefined =>
  typeof value === 'number'
    ? value
    : isFields(value) && typeof value.text === 'string'
      ? Number(value.text)
      : undefined;

const TERMINOLOGY = 'http://terminology.hl7.org/CodeSystem/';
const UCUM = 'http://unitsofmeasure.org';

/** False only when both are dates and the first is surely later; different precision is compared as far as both go. */
function notAfter(start: unknown, end: unknown): boolean {
  if (typeof start !== 'string' || typeof end !== 'string') return true;
  if (start.length > 10 && end.length > 10) return !(Date.parse(start) > Date.parse(end));
  const length = Math.min(start.length, end.length, 10);
  return start.slice(0, length) <= end.slice(0, length);
}

function atLeast(value: unknown, floor: number): boolean {
  const size = number(value);
  return size === undefined || size >= floor;
}

const unitRule = (key: string): Rule => ({
  key,
  demands: 'a value needs a UCUM code of its unit',
  holds: (v) => (v.code !== undefined || v.value === undefined) && (v.system === undefined || v.system === UCUM),
});

const quantityRule: Rule = {
  key: 'qty-3',
  demands: 'a code of the unit needs its system',
  holds: (v) => !has(v, 'code') || has(v, 'system'),
};

/** Invariants by type or element path. */
export const INVARIANTS: Readonly<Record<string, readonly Rule[]>> = codeTable({
  Quantity: [quantityRule],
  SimpleQuantity: [
    quantityRule,
    { key: 'sqty-1', demands: 'a comparator is not allowed here', holds: (v) => !has(v, 'comparator') },
  ],
  Age: [
    unitRule('age-1'),
    { key: 'age-1', demands: 'an age is positive', holds: (v) => (number(v.value) ?? 1) > 0 },
    quantityRule,
  ],
  Count: [unitRule('cnt-3'), quantityRule],
  Distance: [unitRule('dis-1'), quantityRule],
  Duration: [
    {
      key: 'drt-1',
      demands: 'a code of the unit needs a value and UCUM as its system',
      holds: (v) => !has(v, 'code') || (v.system === UCUM && has(v, 'value')),
    },
    quantityRule,
  ],
  Attachment: [
    { key: 'att-1', demands: 'data needs a contentType', holds: (v) => !has(v, 'data') || has(v, 'contentType') },
  ],
  ContactPoint: [
    { key: 'cpt-2', demands: 'a value needs a system', holds: (v) => !has(v, 'value') || has(v, 'system') },
  ],
  Extension: [
    {
      key: 'ext-1',
      demands: 'an extension has either a value or nested extensions',
      holds: (v) => has(v, 'extension') !== hasChoice(v, 'value'),
    },
  ],
  Expression: [
    {
      key: 'exp-1',
      demands: 'an expression or a reference is needed',
      holds: (v) => has(v, 'expression') || has(v, 'reference'),
    },
  ],
  Period: [{ key: 'per-1', demands: 'the start is not after the end', holds: (v) => notAfter(v.start, v.end) }],
  Range: [
    {
      key: 'rng-2',
      demands: 'the low value is not above the high one',
      holds: (v) => {
        const low = fields(v.low);
        const high = fields(v.high);
        const comparable = low.code === high.code && low.unit === high.unit;
        return !comparable || (number(low.value) ?? -Infinity) <= (number(high.value) ?? Infinity);
      },
    },
  ],
  Ratio: [
    {
      key: 'rat-1',
      demands: 'numerator and denominator stand together, or neither with an extension',
      holds: (v) => has(v, 'numerator') === has(v, 'denominator') && (has(v, 'numerator') || has(v, 'extension')),
    },
  ],
  'Timing.repeat': [
    { key: 'tim-1', demands: 'a duration needs its unit', holds: (v) => !has(v, 'duration') || has(v, 'durationUnit') },
    { key: 'tim-2', demands: 'a period needs its unit', holds: (v) => !has(v, 'period') || has(v, 'periodUnit') },
    { key: 'tim-4', demands: 'a duration is not negative', holds: (v) => atLeast(v.duration, 0) },
    { key: 'tim-5', demands: 'a period is not negative', holds: (v) => atLeast(v.period, 0) },
    { key: 'tim-6', demands: 'periodMax needs a period', holds: (v) => !has(v, 'periodMax') || has(v, 'period') },
    {
      key: 'tim-7',
      demands: 'durationMax needs a duration',
      holds: (v) => !has(v, 'durationMax') || has(v, 'duration'),
    },
    { key: 'tim-8', demands: 'countMax needs a count', holds: (v) => !has(v, 'countMax') || has(v, 'count') },
    {
      key: 'tim-9',
      demands: 'an offset needs a when that is not C, CM, CD or CV',
      holds: (v) =>
        !has(v, 'offset') || (Array.isArray(v.when) && !v.when.some((when) => isOneOf(when, ['C', 'CM', 'CD', 'CV']))),
    },
    {
      key: 'tim-10',
      demands: 'timeOfDay and when exclude each other',
      holds: (v) => !has(v, 'timeOfDay') || !has(v, 'when'),
    },
  ],
  AllergyIntolerance: [
    {
      key: 'ait-1',
      demands: 'clinicalStatus is needed unless verificationStatus is entered-in-error',
      holds: (v) =>
        coded(v.verificationStatus, `${TERMINOLOGY}allergyintolerance-verification`, ['entered-in-error']) ||
        has(v, 'clinicalStatus'),
    },
    {
      key: 'ait-2',
      demands: 'clinicalStatus is not allowed when verificationStatus is entered-in-error',
      holds: (v) =>
        !coded(v.verificationStatus, `${TERMINOLOGY}allergyintolerance-verification`, ['entered-in-error']) ||
        !has(v, 'clinicalStatus'),
    },
  ],
  Appointment: [
    { key: 'app-2', demands: 'start and end stand together', holds: (v) => has(v, 'start') === has(v, 'end') },
    {
      key: 'app-3',
      demands: 'only proposed, cancelled or waitlisted appointments lack start and end',
      holds: (v) => (has(v, 'start') && has(v, 'end')) || isOneOf(v.status, ['proposed', 'cancelled', 'waitlist']),
    },
    {
      key: 'app-4',
      demands: 'cancelationReason is only for cancelled appointments and no-shows',
      holds: (v) => !has(v, 'cancelationReason') || isOneOf(v.status, ['noshow', 'cancelled']),
    },
  ],
  'Appointment.participant': [
    {
      key: 'app-1',
      demands: 'a participant needs a type or an actor',
      holds: (v) => has(v, 'type') || has(v, 'actor'),
    },
  ],
  AppointmentResponse: [
    {
      key: 'apr-1',
      demands: 'participantType or actor is needed',
      holds: (v) => has(v, 'participantType') || has(v, 'actor'),
    },
  ],
  'AuditEvent.entity': [
    { key: 'sev-1', demands: 'name and query exclude each other', holds: (v) => !has(v, 'name') || !has(v, 'query') },
  ],
  Bundle: [
    {
      key: 'bdl-1',
      demands: 'total is only for searches and histories',
      holds: (v) => !has(v, 'total') || v.type === 'searchset' || v.type === 'history',
    },
    {
      key: 'bdl-2',
      demands: 'entry.search is only for searches',
      holds: (v) => v.type === 'searchset' || list(v.entry).every((entry) => !has(entry, 'search')),
    },
    {
      key: 'bdl-3',
      demands: 'entry.request is needed in a batch, transaction or history and not allowed elsewhere',
      holds: (v) => {
        const needed = isOneOf(v.type, ['batch', 'transaction', 'history']);
        return list(v.entry).every((entry) => has(entry, 'request') === needed);
      },
    },
    {
      key: 'bdl-4',
      demands: 'entry.response is needed in a response or history and not allowed elsewhere',
      holds: (v) => {
        const needed = isOneOf(v.type, ['batch-response', 'transaction-response', 'history']);
        return list(v.entry).every((entry) => has(entry, 'response') === needed);
      },
    },
    {
      key: 'bdl-7',
      demands: 'fullUrl is unique unless the versions differ',
      holds: (v) => {
        if (v.type === 'history') return true;
        const named = list(v.entry).filter((entry) => entry.fullUrl !== undefined);
        const names = named.map((entry) =>
          JSON.stringify([entry.fullUrl, fields(fields(entry.resource).meta).versionId]),
        );
        return new Set(names).size === names.length;
      },
    },
    {
      key: 'bdl-9',
      demands: 'a document needs an identifier with system and value',
      holds: (v) =>
        v.type !== 'document' || (has(fields(v.identifier), 'system') && has(fields(v.identifier), 'value')),
    },
    {
      key: 'bdl-10',
      demands: 'a document needs a timestamp',
      holds: (v) => v.type !== 'document' || has(v, 'timestamp'),
    },
    {
      key: 'bdl-11',
      demands: 'a document begins with a Composition',
      holds: (v) => v.type !== 'document' || fields(list(v.entry)[0]?.resource).resourceType === 'Composition',
    },
    {
      key: 'bdl-12',
      demands: 'a message begins with a MessageHeader',
      holds: (v) => v.type !== 'message' || fields(list(v.entry)[0]?.resource).resourceType === 'MessageHeader',
    },
  ],
  'Bundle.entry': [
    {
      key: 'bdl-5',
      demands: 'an entry needs a resource, a request or a response',
      holds: (v) => has(v, 'resource') || has(v, 'request') || has(v, 'response'),
    },
    {
      key: 'bdl-8',
      demands: 'fullUrl names no version',
      holds: (v) => typeof v.fullUrl !== 'string' || !v.fullUrl.includes('/_history/'),
    },
  ],
  'CarePlan.activity': [
    {
      key: 'cpl-3',
      demands: 'detail and reference exclude each other',
      holds: (v) => !has(v, 'detail') || !has(v, 'reference'),
    },
  ],
  'Composition.section': [
    {
      key: 'cmp-1',
      demands: 'a section needs text, entries or sections',
      holds: (v) => has(v, 'text') || has(v, 'entry') || has(v, 'section'),
    },
    {
      key: 'cmp-2',
      demands: 'emptyReason is only for sections without entries',
      holds: (v) => !has(v, 'emptyReason') || !has(v, 'entry'),
    },
  ],
  Condition: [
    {
      key: 'con-3',
      severity: 'warning',
      demands: 'clinicalStatus is expected on problem list items that are not entered-in-error',
      holds: (v) =>
        has(v, 'clinicalStatus') ||
        coded(v.verificationStatus, `${TERMINOLOGY}condition-ver-status`, ['entered-in-error']) ||
        !list(v.category).some((category) =>
          coded(category, `${TERMINOLOGY}condition-category`, ['problem-list-item']),
        ),
    },
    {
      key: 'con-4',
      demands: 'an abated condition has clinicalStatus inactive, resolved or remission',
      holds: (v) =>
        !hasChoice(v, 'abatement') ||
        coded(v.clinicalStatus, `${TERMINOLOGY}condition-clinical`, ['resolved', 'remission', 'inactive']),
    },
    {
      key: 'con-5',
      demands: 'clinicalStatus is not allowed when verificationStatus is entered-in-error',
      holds: (v) =>
        !coded(v.verificationStatus, `${TERMINOLOGY}condition-ver-status`, ['entered-in-error']) ||
        !has(v, 'clinicalStatus'),
    },
  ],
  'Condition.stage': [
    {
      key: 'con-1',
      demands: 'a stage needs a summary or an assessment',
      holds: (v) => has(v, 'summary') || has(v, 'assessment'),
    },
  ],
  'Condition.evidence': [
    { key: 'con-2', demands: 'evidence needs a code or a detail', holds: (v) => has(v, 'code') || has(v, 'detail') },
  ],
  Consent: [
    {
      key: 'ppc-1',
      demands: 'a policy or a policyRule is needed',
      holds: (v) => has(v, 'policy') || has(v, 'policyRule'),
    },
    {
      key: 'ppc-2',
      demands: 'a consent of this scope needs its patient',
      holds: (v) =>
        has(v, 'patient') ||
        !coded(v.scope, `${TERMINOLOGY}consentscope`, ['patient-privacy', 'research', 'adr', 'treatment']),
    },
  ],
  'CoverageEligibilityResponse.insurance.item': [
    {
      key: 'ces-1',
      demands: 'either a category or a productOrService is needed',
      holds: (v) => has(v, 'category') !== has(v, 'productOrService'),
    },
  ],
  FamilyMemberHistory: [
    {
      key: 'fhs-1',
      demands: 'age and born exclude each other',
      holds: (v) => !hasChoice(v, 'age') || !hasChoice(v, 'born'),
    },
    {
      key: 'fhs-2',
      demands: 'estimatedAge needs an age',
      holds: (v) => hasChoice(v, 'age') || !has(v, 'estimatedAge'),
    },
  ],
  'Goal.target': [
    { key: 'gol-1', demands: 'a detail needs its measure', holds: (v) => !hasChoice(v, 'detail') || has(v, 'measure') },
  ],
  Group: [
    { key: 'grp-1', demands: 'only actual groups have members', holds: (v) => !has(v, 'member') || v.actual === true },
  ],
  'Immunization.education': [
    {
      key: 'imm-1',
      demands: 'a documentType or a reference is needed',
      holds: (v) => has(v, 'documentType') || has(v, 'reference'),
    },
  ],
  'ImmunizationRecommendation.recommendation': [
    {
      key: 'imr-1',
      demands: 'a vaccineCode or a targetDisease is needed',
      holds: (v) => has(v, 'vaccineCode') || has(v, 'targetDisease'),
    },
  ],
  InsurancePlan: [
    {
      key: 'ipn-1',
      demands: 'an identifier or a name is needed',
      holds: (v) => has(v, 'identifier') || has(v, 'name'),
    },
  ],
  Linkage: [{ key: 'lnk-1', demands: 'at least two items are needed', holds: (v) => list(v.item).length > 1 }],
  List: [
    {
      key: 'lst-1',
      demands: 'emptyReason is only for lists without entries',
      holds: (v) => !has(v, 'emptyReason') || !has(v, 'entry'),
    },
    {
      key: 'lst-2',
      demands: 'entry.deleted is only for lists of changes',
      holds: (v) => v.mode === 'changes' || list(v.entry).every((entry) => !has(entry, 'deleted')),
    },
    {
      key: 'lst-3',
      demands: 'entry.date is only for working lists',
      holds: (v) => v.mode === 'working' || list(v.entry).every((entry) => !has(entry, 'date')),
    },
  ],
  MeasureReport: [
    {
      key: 'mrp-1',
      demands: 'a report of data collection has no groups',
      holds: (v) => v.type !== 'data-collection' || !has(v, 'group'),
    },
  ],
  'MeasureReport.group.stratifier.stratum': [
    {
      key: 'mrp-2',
      demands: 'either a value or components are needed',
      holds: (v) => has(v, 'value') !== has(v, 'component'),
    },
  ],
  'MedicationAdministration.dosage': [
    { key: 'mad-1', demands: 'a dose or a rate is needed', holds: (v) => has(v, 'dose') || hasChoice(v, 'rate') },
  ],
  MedicationDispense: [
    {
      key: 'mdd-1',
      demands: 'whenPrepared is not after whenHandedOver',
      holds: (v) => notAfter(v.whenPrepared, v.whenHandedOver),
    },
  ],
  MolecularSequence: [
    {
      key: 'msq-3',
      demands: 'coordinateSystem is 0 or 1',
      holds: (v) => v.coordinateSystem === undefined || v.coordinateSystem === 0 || v.coordinateSystem === 1,
    },
  ],
  'MolecularSequence.referenceSeq': [
    {
      key: 'msq-5',
      demands: 'genomeBuild and chromosome stand together',
      holds: (v) => has(v, 'chromosome') === has(v, 'genomeBuild'),
    },
    {
      key: 'msq-6',
      demands: 'exactly one of genomeBuild, referenceSeqId, referenceSeqPointer, referenceSeqString is needed',
      holds: (v) =>
        ['genomeBuild', 'referenceSeqId', 'referenceSeqPointer', 'referenceSeqString'].filter((name) => has(v, name))
          .length === 1,
    },
  ],
  NutritionOrder: [
    {
      key: 'nor-1',
      severity: 'warning',
      demands: 'an oral diet, a supplement or an enteral formula is expected',
      holds: (v) => has(v, 'oralDiet') || has(v, 'supplement') || has(v, 'enteralFormula'),
    },
  ],
  Observation: [
    {
      key: 'obs-6',
      demands: 'dataAbsentReason is only for observations without a value',
      holds: (v) => !has(v, 'dataAbsentReason') || !hasChoice(v, 'value'),
    },
    {
      key: 'obs-7',
      demands: 'a component with the code of the observation leaves no value',
      holds: componentCodesDiffer,
    },
  ],
  'Observation.referenceRange': [
    {
      key: 'obs-3',
      demands: 'a reference range needs low, high or text',
      holds: (v) => has(v, 'low') || has(v, 'high') || has(v, 'text'),
    },
  ],
  Organization: [
    {
      key: 'org-1',
      demands: 'an identifier or a name is needed',
      holds: (v) => has(v, 'identifier') || has(v, 'name'),
    },
    {
      key: 'org-3',
      demands: 'the telecom of an organization is not a home',
      holds: (v) => list(v.telecom).every((telecom) => telecom.use !== 'home'),
    },
    {
      key: 'org-2',
      demands: 'the address of an organization is not a home',
      holds: (v) => list(v.address).every((address) => address.use !== 'home'),
    },
  ],
  'Parameters.parameter': [
    {
      key: 'inv-1',
      demands: 'a parameter has exactly one of value, resource and parts',
      holds: (v) => [hasChoice(v, 'value'), has(v, 'resource'), has(v, 'part')].filter(Boolean).length === 1,
    },
  ],
  'Patient.contact': [
    {
      key: 'pat-1',
      demands: 'a contact needs a name, telecom, address or organization',
      holds: (v) => has(v, 'name') || has(v, 'telecom') || has(v, 'address') || has(v, 'organization'),
    },
  ],
  'QuestionnaireResponse.item': [
    {
      key: 'qrs-1',
      demands: 'nested items stand under the answer',
      holds: (v) => !has(v, 'answer') || !has(v, 'item'),
    },
  ],
  'RequestGroup.action': [
    {
      key: 'rqg-1',
      demands: 'either a resource or actions are needed',
      holds: (v) => has(v, 'resource') !== has(v, 'action'),
    },
  ],
  'RiskAssessment.prediction': [
    { key: 'ras-2', demands: 'a probability is at most 100', holds: (v) => (number(v.probabilityDecimal) ?? 0) <= 100 },
  ],
  ServiceRequest: [
    { key: 'prr-1', demands: 'orderDetail needs a code', holds: (v) => !has(v, 'orderDetail') || has(v, 'code') },
  ],
});

function componentCodesDiffer(observation: Fields): boolean {
  if (observation.component === undefined || !hasChoice(observation, 'value')) return true;
  const key = (coding: Fields): string => JSON.stringify([coding.system, coding.version, coding.code, coding.display]);
  const own = new Set(list(fields(observation.code).coding).map(key));
  return !list(observation.component).some((component) =>
    list(fields(component.code).coding).some((coding) => own.has(key(coding))),
  );
}
