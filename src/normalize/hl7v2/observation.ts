/** OBX with its NTEs to Observation (maps OBX[Observation], OBX[Observation-Component], NTE). */
import { changeReference, type BusinessKey } from '../../formats/fhir/change.ts';
import { GatewayError } from '../../core/errors.ts';
import { components, repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import type { ChangeList } from './change-list.ts';
import {
  codeOf,
  compact,
  dateTimeOf,
  extension,
  firstOf,
  present,
  textOf,
  type Context,
  type Element,
} from './context.ts';
import { codingText, conceptOf, mappedTo, V2_TABLE } from './datatypes/codeable-concept.ts';
import { eiIdentifier } from './datatypes/identifier.ts';
import { deviceOf, devicesOf } from './device.ts';
import { locationOf } from './location.ts';
import { referenceRange, valueElements } from './observation-value.ts';
import type { SpecimenGroup } from './order-group.ts';
import { resultPerformers } from './performer.ts';
import { codedMarks, metaOf, type Marks } from './security.ts';
import { INTERPRETATIONS, OBSERVATION_STATUS, STATUS_RANK, VITAL_SIGNS } from './tables.ts';

const CATEGORY = 'http://terminology.hl7.org/CodeSystem/observation-category';
const INTERPRETATION = 'http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation';
const ABSENT = 'http://terminology.hl7.org/CodeSystem/data-absent-reason';
const SUB_ID = 'http://hl7.org/fhir/StructureDefinition/observation-v2-subid';
const NATURE = 'http://hl7.org/fhir/StructureDefinition/observation-nature-of-abnormal-test';
const LOCATION = 'http://hl7.org/fhir/StructureDefinition/event-location';
const ANALYSIS_TIME = 'http://hl7.org/fhir/StructureDefinition/observation-analysis-date-time';

/** An OBX, the OBX segments that continue its text, and the notes behind it. */
export interface ObservationGroup {
  readonly obx: Segment;
  readonly continued: readonly Segment[];
  readonly notes: readonly Segment[];
  /** PRT behind it. */
  readonly roles?: readonly Segment[];
  /** The specimen that stands before it. */
  readonly specimen?: SpecimenGroup;
  /** Number of the OBX in the message, from 1, for error locations. */
  readonly number: number;
}

/** What surrounds the results: the order, or the visit. */
export interface ObservationFrame {
  /** Key that results of this order share. */
  readonly key: BusinessKey;
  readonly patient: number;
  readonly encounter: number | undefined;
  readonly basedOn: number | undefined;
  /** Position of the Specimen. */
  readonly specimen?: number | undefined;
  /** Position of what the result was found in: an Immunization, a MedicationAdministration. */
  readonly partOf?: number | undefined;
  /** OBR-7: when OBX-14 is empty. */
  readonly observedAt: string | undefined;
  readonly category: string | undefined;
  /** Source time of the results, milliseconds since 1970. */
  readonly sourceTime: number;
  readonly marks: Marks;
  readonly orderMarks: readonly Element[];
  /** Keys given so far, to number results that nothing tells apart. */
  readonly used: Map<string, number>;
}

/** Elements that a result states as a whole: what a correction leaves out is gone. */
const STATED = [
  'interpretation',
  'referenceRange',
  'dataAbsentReason',
  'note',
  'component',
  'extension',
  'method',
  'bodySite',
];
const VALUES = [
  'valueQuantity',
  'valueCodeableConcept',
  'valueString',
  'valueRange',
  'valueRatio',
  'valueTime',
  'valueDateTime',
  'valuePeriod',
];

/** What only a result with a value, or a reason for none, states. */
const WHOLE = [...STATED, ...VALUES];

/**
 * Adds the Change of one result and returns its position; undefined for an OBX that says nothing. Throws
 * `required-missing` for a value without OBX-3.
 */
export function observationChange(
  context: Context,
  list: ChangeList,
  group: ObservationGroup,
  frame: ObservationFrame,
): number | undefined {
  const { obx } = group;
  const location = `OBX[${group.number}]`;
  const code = conceptOf(context, obx.field(3));
  if (code === undefined) return withoutCode(context, obx, location);
  const status = statusOf(context, obx, location);
  const value = joinedValue(context, group, code, location);
  const set: Element & { resourceType: string } = { resourceType: 'Observation' };
  put(set, 'meta', metaOf(frame.marks.all, frame.marks.clinical, frame.orderMarks, codedMarks(context, obx.field(13))));
  set.status = status;
  set.subject = { reference: changeReference(frame.patient) };
  if (frame.encounter !== undefined) set.encounter = { reference: changeReference(frame.encounter) };
  if (frame.basedOn !== undefined) set.basedOn = [{ reference: changeReference(frame.basedOn) }];
  if (frame.partOf !== undefined) set.partOf = [{ reference: changeReference(frame.partOf) }];
  if (frame.specimen !== undefined) set.specimen = { reference: changeReference(frame.specimen) };
  else put(set, 'specimen', specimenByNumber(context, obx.field(33)));
  const result: Element = { code };
  put(result, 'category', categoryOf(frame.category, code));
  put(result, 'effectiveDateTime', dateTimeOf(context, obx.field(14), `${location}-14`) ?? frame.observedAt);
  const identifier = eiIdentifier(context, repetitions(obx.field(21), context.by)[0] ?? '', 'FILL')?.identifier;
  const change = {
    type: 'Observation',
    keys: [observationKey(context, obx, code, frame)],
    set,
    sourceTime: frame.sourceTime + (STATUS_RANK[status] ?? 0),
    ...(identifier !== undefined && { append: { identifier: [identifier] } }),
  };
  // U states a new status, D and W withdraw: without a value they leave the one that stands.
  const isBare = Object.keys(value).length === 0;
  const isWithdrawn = obx.field(31) === 'D' || ['U', 'D', 'W'].includes(firstOf(context, obx.field(11)) ?? '');
  if (isBare && isWithdrawn) {
    return list.add({ ...change, initial: result });
  }
  for (const name in result) set[name] = result[name];
  for (const name in value) set[name] = value[name];
  putResult(context, list, group, set, location);
  const hasOneValue = VALUES.some((name) => value[name] !== undefined);
  const hasValue = hasOneValue || value.component !== undefined;
  // A value in an extension (ED, RP) is one, too.
  if (!hasValue && value.extension === undefined) set.dataAbsentReason = absentReason(context, obx, status);
  // A new value of another type replaces the old one by itself (`write/apply`).
  const clear = STATED.filter((name) => set[name] === undefined);
  return list.add({ ...change, whole: WHOLE, clear: hasOneValue ? clear : [...clear, ...VALUES] });
}

function withoutCode(context: Context, obx: Segment, location: string): undefined {
  if (Object.keys(valueElements(context, obx, {}, `${location}-5`)).length > 0) {
    throw new GatewayError('required-missing', 'OBX-3, what was observed, is required', {
      expression: `${location}-3`,
    });
  }
  context.omissions.push({ location: `${location}-3`, reason: 'no-code' });
}

function put(element: Element, name: string, value: unknown): void {
  if (value !== undefined && !(Array.isArray(value) && value.length === 0)) element[name] = value;
}

/** OBX-11; empty is read as final, since senders leave it out where all results are. */
function statusOf(context: Context, obx: Segment, location: string): string {
  // OBX-31 (2.8.2): the sender takes the whole result back.
  if (obx.field(31) === 'D') return 'entered-in-error';
  const code = firstOf(context, obx.field(11));
  if (code === undefined) return 'final';
  const status = OBSERVATION_STATUS[code];
  if (status === undefined) {
    throw new GatewayError('invalid-content', 'OBX-11 is not a code of HL7 table 0085', {
      expression: `${location}-11`,
    });
  }
  return status;
}

/**
 * Results are known by their order, OBX-3 and OBX-4, so that a correction meets the result it corrects. Where one message
 * has several that nothing tells apart, their order does.
 */
function observationKey(context: Context, obx: Segment, code: Element, frame: ObservationFrame): BusinessKey {
  const [coding] = Array.isArray(code.coding) ? code.coding : [];
  const what = coding === undefined ? String(code.text) : codingText(coding);
  const key = [...frame.key, what, textOf(context, obx.field(4)) ?? ''];
  const text = key.join('\u0000');
  const count = (frame.used.get(text) ?? 0) + 1;
  frame.used.set(text, count);
  return count === 1 ? key : [...key, String(count)];
}

function joinedValue(context: Context, group: ObservationGroup, code: Element, location: string): Element {
  const first = valueElements(context, group.obx, code, `${location}-5`);
  if (group.continued.length === 0) return first;
  const lines = [first, ...group.continued.map((obx) => valueElements(context, obx, code, `${location}-5`))];
  const text = lines
    .map((line) => (typeof line.valueString === 'string' ? line.valueString : ''))
    .join('\n')
    .trim();
  return text === '' ? {} : { valueString: text };
}

/** What stands beside the value. Most fields of most results are empty: nothing is made for them. */
function putResult(context: Context, list: ChangeList, group: ObservationGroup, set: Element, location: string): void {
  const { obx } = group;
  const { by } = context;
  put(set, 'extension', extensionsOf(context, obx, set, location));
  put(set, 'interpretation', present(repetitions(obx.field(8), by).map((raw) => interpretationOf(context, raw))));
  put(set, 'referenceRange', referenceRange(context, obx.field(7), obx.field(6)));
  put(set, 'performer', resultPerformers(context, list, obx, group.roles));
  put(set, 'method', conceptOf(context, repetitions(obx.field(17), by)[0]));
  put(set, 'bodySite', conceptOf(context, repetitions(obx.field(20), by)[0], `${V2_TABLE}0163`));
  put(set, 'device', deviceOf(context, list, repetitions(obx.field(18), by)[0] ?? ''));
  if (group.roles !== undefined) putRoles(context, list, set, group.roles);
  put(set, 'note', notesOf(context, group.notes, list));
}

/** OBX-4 sub-identifier and OBX-19 time of analysis, beside what the value brought. */
/** PRT behind the result: the device where OBX-18 names none, and the place. */
function putRoles(context: Context, list: ChangeList, set: Element, roles: readonly Segment[]): void {
  if (set.device === undefined) put(set, 'device', devicesOf(context, list, roles)[0]);
  const places = roles.map((prt) => extension(LOCATION, 'valueReference', locationOf(context, list, prt.field(9))));
  const extensions: Element[] = Array.isArray(set.extension) ? set.extension : [];
  put(set, 'extension', [...extensions, ...present(places)]);
}

function extensionsOf(context: Context, obx: Segment, value: Element, location: string): Element[] {
  const subId = textOf(context, components(obx.field(4), context.by)[0]);
  return present([
    ...(Array.isArray(value.extension) ? value.extension : []),
    subId === undefined
      ? undefined
      : { url: SUB_ID, extension: [{ url: 'original-sub-identifier', valueString: subId }] },
    ...(obx.field(10) === ''
      ? []
      : repetitions(obx.field(10), context.by).map((raw) =>
          extension(NATURE, 'valueCodeableConcept', conceptOf(context, raw, `${V2_TABLE}0080`)),
        )),
    extension(ANALYSIS_TIME, 'valueDateTime', dateTimeOf(context, obx.field(19), `${location}-19`)),
  ]);
}

function interpretationOf(context: Context, raw: string): Element | undefined {
  const code = firstOf(context, raw);
  if (code === undefined || !INTERPRETATIONS.has(code)) return conceptOf(context, raw, `${V2_TABLE}0078`);
  const mapped = { system: INTERPRETATION, code };
  if (!raw.includes(context.by.component)) return { coding: [mapped] };
  const display = textOf(context, components(raw, context.by)[1]);
  return mappedTo(conceptOf(context, raw), display === undefined ? mapped : { ...mapped, display });
}

/** OBX-33 (EIP), where it names one specimen and the message does not say more of it. */
function specimenByNumber(context: Context, raw: string): Element | undefined {
  if (raw === '' || raw.includes(context.by.repetition)) return undefined;
  const [placer = '', filler = ''] = components(raw, context.by);
  const found = eiIdentifier(context, filler, 'FILL') ?? eiIdentifier(context, placer, 'PLAC');
  return found === undefined ? undefined : { type: 'Specimen', identifier: found.identifier };
}

/** Why there is no value: OBX-32, else what OBX-11 means by it. R4 rule obs-6: only without a value. */
function absentReason(context: Context, obx: Segment, status: string): Element {
  const stated = conceptOf(context, repetitions(obx.field(32), context.by)[0]);
  if (stated !== undefined) return stated;
  const code = firstOf(context, obx.field(11));
  const pending = status === 'registered' || status === 'preliminary';
  const reason = code === 'X' ? 'not-performed' : code === 'N' ? 'not-asked' : pending ? 'temp-unknown' : 'unknown';
  return { coding: [{ system: ABSENT, code: reason }] };
}

/** The vital signs profiles name their codes; else the section of the order decides. */
function categoryOf(section: string | undefined, code: Element): Element[] | undefined {
  const codings = Array.isArray(code.coding) ? code.coding : [];
  const isVital = codings.some(
    (coding: Element) => coding.system === 'http://loinc.org' && VITAL_SIGNS.has(String(coding.code)),
  );
  const category = isVital ? 'vital-signs' : section;
  return category === undefined ? undefined : [{ coding: [{ system: CATEGORY, code: category }] }];
}

/** NTE-3 of consecutive notes as one Annotation each; repetitions are lines. Author and time (NTE-5, NTE-6) where there is a text. */
export function notesOf(context: Context, notes: readonly Segment[], list?: ChangeList): Element[] | undefined {
  const found = notes.flatMap((nte) => {
    const text = repetitions(nte.field(3), context.by)
      .map((raw) => textOf(context, raw) ?? '')
      .join('\n')
      .trim();
    if (text === '') return [];
    const author = list?.practitioner(context, repetitions(nte.field(5), context.by)[0] ?? '');
    const time = dateTimeOf(context, nte.field(6), 'NTE-6');
    return [
      author === undefined && time === undefined ? { text } : { ...authorOf(author), ...compact({ time }), text },
    ];
  });
  return found.length === 0 ? undefined : found;
}

/** A practitioner who is known by name only is an author by text. */
export function authorOf(author: Element | undefined): Element {
  if (author === undefined) return {};
  return author.reference === undefined ? { authorString: author.display } : { authorReference: author };
}

/** OBX-29: answers to questions and supporting information belong to the order, not to the result. */
export function isSupportingInfo(context: Context, obx: Segment): boolean {
  const type = codeOf(context, obx.field(29));
  return type === 'QST' || type === 'SCI';
}
