/** PID, PD1 and NK1 to Patient (maps PID[Patient], PD1[Patient], NK1[Patient]). */
import { GatewayError } from '../../core/errors.ts';
import type { BusinessKey } from '../../formats/fhir/change.ts';
import { components, repetitions } from '../../formats/hl7v2/delimiters.ts';
import { toFhirDate, toFhirDateTime } from '../../formats/hl7v2/dtm.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import type { ChangeList } from './change-list.ts';
import {
  compact,
  dateTimeOf,
  dtmOf,
  extension,
  firstOf,
  isDeleted,
  periodOf,
  present,
  textOf,
  type Context,
  type Element,
} from './context.ts';
import { xadAddress } from './datatypes/address.ts';
import { conceptOf, tableConcept, V2_TABLE } from './datatypes/codeable-concept.ts';
import { xtnContactPoint } from './datatypes/contact-point.ts';
import { xpnName, xpnNames } from './datatypes/human-name.ts';
import { cxIdentifier, IDENTIFIER_TYPE, type Identified } from './datatypes/identifier.ts';
import { languageOf } from './language.ts';
import { patientExtensions } from './patient-extensions.ts';
import { rolesOf } from './role.ts';
import { metaOf, type Marks } from './security.ts';
import { identifierKey, identifierSystem, mayWriteFor } from './source-profile.ts';
import { GENDER, MARITAL_STATUS, RELATIONSHIP } from './tables.ts';

const CORE = 'http://hl7.org/fhir/StructureDefinition/';

/** Types of number in PID-3 that do not say who the patient is: accounts, visits, cards of payers, numbers people misquote. */
const NOT_A_KEY = new Set('ALT AN ANC AND ANT BC DL DS EN EXT FI GI GN MS SS VN VS XX'.split(' '));

export interface PatientResult {
  /** Position of the Change. */
  readonly index: number;
  /** What else of the message may be known by. */
  readonly keys: readonly BusinessKey[];
}

/**
 * The Change of the patient. `roles`: ROL and PRT behind PID. `snapshot`: an ADT message states the demographics; others only repeat them and fill what is
 * not known yet, so that a laboratory's copy never overwrites the registration.
 */
export function patientChange(
  context: Context,
  list: ChangeList,
  segments: {
    pid: Segment;
    pd1: Segment | undefined;
    nk1: readonly Segment[];
    roles?: readonly Segment[];
    /** Numbers of another patient of the message, by which this one is not known though PID-3 repeats them. */
    notOf?: readonly Identified[];
  },
  marks: Marks,
  snapshot: boolean,
): PatientResult {
  const { pid, pd1, nk1 } = segments;
  const identifiers = patientIdentifiers(context, pid);
  const keys = patientKeys(context, segments.notOf === undefined ? identifiers : without(identifiers, segments.notOf));
  const elements = compact({
    ...demographics(context, pid),
    extension: patientExtensions(context, pid, pd1),
    contact: present(nk1.map((segment) => contact(context, list, segment))),
    generalPractitioner: present([
      ...rolesOf(context, list, segments.roles ?? []).flatMap(({ code, member }) => (code === 'PP' ? [member] : [])),
      ...repetitions(pd1?.field(4) ?? '', context.by).map((raw) => list.practitioner(context, raw)),
      ...repetitions(pd1?.field(3) ?? '', context.by).map((raw) => list.organization(context, raw)),
    ]),
  });
  const meta = metaOf(marks.all, marks.patient);
  const index = list.add({
    type: 'Patient',
    keys,
    set: { resourceType: 'Patient', ...(meta && { meta }), ...(snapshot ? elements : {}) },
    append: { identifier: identifiers.map(({ identifier }) => identifier) },
    ...(snapshot ? { clear: deletedElements(pid) } : { initial: elements }),
  });
  return { index, keys };
}

/** Keys by which the patient of a PID is known; none where the source may not write for this patient. */
export function patientKeysOf(context: Context, pid: Segment): readonly BusinessKey[] {
  return ownKeys(context, patientIdentifiers(context, pid));
}

/** Identifiers that are not among others. */
export function without(identifiers: readonly Identified[], others: readonly Identified[]): readonly Identified[] {
  return identifiers.filter((one) => !others.some(({ system, value }) => system === one.system && value === one.value));
}

/** True when an identifier says who the patient is. */
export function isPatientKey({ type }: Identified): boolean {
  return !NOT_A_KEY.has(type);
}

/** PID-3, then the fields of older versions: PID-2, PID-4, PID-19 (SSN), PID-20 (driver's licence). */
export function patientIdentifiers(context: Context, pid: Segment): Identified[] {
  const found: Identified[] = [];
  const take = (identifier: Identified | undefined): void => {
    if (
      identifier !== undefined &&
      !found.some((known) => known.system === identifier.system && known.value === identifier.value)
    )
      found.push(identifier);
  };
  for (const raw of repetitions(pid.field(3), context.by)) take(cxIdentifier(context, raw, 'MR', 'PID-3'));
  for (const raw of repetitions(pid.field(2), context.by))
    take(cxIdentifier(context, raw, found.length === 0 ? 'MR' : 'EXT', 'PID-2'));
  for (const raw of repetitions(pid.field(4), context.by)) take(cxIdentifier(context, raw, 'ALT', 'PID-4'));
  const ssn = firstOf(context, pid.field(19));
  if (ssn !== undefined) take(ssnIdentifier(context, ssn));
  const licence = components(pid.field(20), context.by);
  const licenceNumber = textOf(context, licence[0]);
  if (licenceNumber !== undefined) {
    const system = identifierSystem(context.profile, { namespace: textOf(context, licence[1]) }, 'DL');
    const period = periodOf(context, undefined, licence[2], 'PID-20');
    take({
      system,
      value: licenceNumber,
      type: 'DL',
      identifier: compact({ type: typeOf('DL'), system, value: licenceNumber, period }),
    });
  }
  return found;
}

function ssnIdentifier(context: Context, value: string): Identified {
  // Other countries put their own numbers into PID-19.
  const namespace = /^\d{3}-?\d{2}-?\d{4}$/.test(value) ? undefined : 'PID-19';
  const system = identifierSystem(context.profile, { namespace }, 'SS');
  return { system, value, type: 'SS', identifier: { type: typeOf('SS'), system, value } };
}

function typeOf(code: string): Element {
  return { coding: [{ system: IDENTIFIER_TYPE, code }] };
}

/**
 * Keys of identifiers: those of the primary assigner first, then medical record numbers; a message that names no number makes a patient of
 * its own. Throws `business-rule` when the source may write for none of them.
 */
export function patientKeys(context: Context, identifiers: readonly Identified[]): BusinessKey[] {
  const keys = ownKeys(context, identifiers);
  if (keys.length === 0) {
    throw new GatewayError(
      'business-rule',
      'no number of the patient is of an assigner that this source may write for; `anamnesis sources show` lists them',
      { expression: 'PID-3.4' },
    );
  }
  return keys;
}

function ownKeys(context: Context, identifiers: readonly Identified[]): BusinessKey[] {
  const { profile, controlId } = context;
  const usable = identifiers.filter(isPatientKey);
  if (usable.length === 0) return [['message', profile.name, controlId, 'Patient']];
  const rank = ({ system, type }: Identified): number =>
    system === profile.primaryAssigner ? -1 : type === 'MR' || type === 'PI' ? 0 : 1;
  return usable
    .filter(({ system }) => mayWriteFor(profile, system))
    .toSorted((a, b) => rank(a) - rank(b))
    .map(({ system, value }) => identifierKey(system, value));
}

function demographics(context: Context, pid: Segment): Element {
  const birth = dtmOf(context, pid.field(7), 'PID-7');
  const birthTime = birth?.hour === undefined ? undefined : toFhirDateTime(birth, context.zone);
  const death = dateTimeOf(context, pid.field(29), 'PID-29');
  const birthOrder = textOf(context, pid.field(25));
  return {
    name: present([
      ...repetitions(pid.field(5), context.by).flatMap((raw) => xpnNames(context, raw, 'PID-5')),
      ...repetitions(pid.field(9), context.by).map((raw) => alias(xpnName(context, raw, 'PID-9'))),
    ]),
    telecom: present([
      ...repetitions(pid.field(13), context.by).map((raw) => xtnContactPoint(context, raw, 'home', 'PID-13')),
      ...repetitions(pid.field(14), context.by).map((raw) => xtnContactPoint(context, raw, 'work', 'PID-14')),
      ...repetitions(pid.field(40), context.by).map((raw) => xtnContactPoint(context, raw, undefined, 'PID-40')),
    ]),
    gender: GENDER[firstOf(context, pid.field(8)) ?? ''],
    birthDate: birth === undefined ? undefined : toFhirDate(birth),
    _birthDate:
      birthTime === undefined || birthTime.length < 11
        ? undefined
        : { extension: [extension(`${CORE}patient-birthTime`, 'valueDateTime', birthTime)] },
    deceasedDateTime: death,
    deceasedBoolean: death === undefined ? yesNo(textOf(context, pid.field(30))) : undefined,
    address: addresses(context, pid),
    maritalStatus: maritalStatus(context, pid.field(16)),
    multipleBirthInteger: birthOrder !== undefined && /^[1-9]\d?$/.test(birthOrder) ? Number(birthOrder) : undefined,
    multipleBirthBoolean: birthOrder === undefined ? yesNo(textOf(context, pid.field(24))) : undefined,
    communication: languageOf(context, pid.field(15)),
  };
}

function alias(name: Element | undefined): Element | undefined {
  return name === undefined || name.use !== undefined ? name : { use: 'nickname', ...name };
}

function yesNo(text: string | undefined): boolean | undefined {
  return text === 'Y' ? true : text === 'N' ? false : undefined;
}

/** PID-11, with the county of PID-12 where a single address has none. */
function addresses(context: Context, pid: Segment): Element[] {
  const found = present(repetitions(pid.field(11), context.by).map((raw) => xadAddress(context, raw, 'PID-11')));
  const county = firstOf(context, pid.field(12));
  if (county === undefined) return found;
  if (found.length === 1 && found[0].district === undefined) return [{ ...found[0], district: county }];
  return found.some((address) => address.district === county) ? found : [...found, { district: county }];
}

function maritalStatus(context: Context, raw: string): Element | undefined {
  return tableConcept(context, raw, '0002', MARITAL_STATUS, 'instead');
}

/** NK1 fields of the telephone of a contact person, with their use. */
const ASKED_AT: readonly (readonly [field: number, use: string])[] = [
  [31, 'work'],
  [41, 'work'],
];

/** One NK1 as Patient.contact; undefined when it names nobody. R4 rule pat-1: a name, address, telecom or organisation. */
function contact(context: Context, list: ChangeList, nk1: Segment): Element | undefined {
  const own = xpnName(context, repetitions(nk1.field(2), context.by)[0] ?? '', 'NK1-2');
  // Of an organisation, NK1-30 to 32 name whom to ask there; beside a person they are somebody else.
  const asked = own === undefined;
  const name = own ?? xpnName(context, repetitions(nk1.field(30), context.by)[0] ?? '', 'NK1-30');
  const address =
    xadAddress(context, repetitions(nk1.field(4), context.by)[0] ?? '', 'NK1-4') ??
    (asked ? xadAddress(context, repetitions(nk1.field(32), context.by)[0] ?? '', 'NK1-32') : undefined);
  const numbers = [[5, undefined], [6, 'work'], [40, undefined], ...(asked ? ASKED_AT : [])] as const;
  const telecom = present(
    numbers.flatMap(([field, use]) =>
      repetitions(nk1.field(field), context.by).map((raw) => xtnContactPoint(context, raw, use, `NK1-${field}`)),
    ),
  );
  const organization = list.organization(context, repetitions(nk1.field(13), context.by)[0] ?? '');
  if (name === undefined && address === undefined && telecom.length === 0 && organization === undefined)
    return undefined;
  return compact({
    relationship: present([
      tableConcept(context, nk1.field(3), '0063', RELATIONSHIP, 'instead'),
      conceptOf(context, nk1.field(7), `${V2_TABLE}0131`),
    ]),
    name,
    telecom,
    address,
    gender: GENDER[firstOf(context, nk1.field(15)) ?? ''],
    organization,
    period: periodOf(context, nk1.field(8), nk1.field(9), 'NK1-8'),
  });
}

/** Elements whose only field is `""`. Telecom and name have several: all of them must be deleted. */
function deletedElements(pid: Segment): string[] {
  const deleted: string[] = [];
  const when = (fields: readonly number[], ...elements: string[]): void => {
    const texts = fields.map((n) => pid.field(n));
    if (texts.some(isDeleted) && texts.every((text) => text === '' || isDeleted(text))) deleted.push(...elements);
  };
  when([5, 9], 'name');
  when([7], 'birthDate', '_birthDate');
  when([8], 'gender');
  when([11, 12], 'address');
  when([13, 14, 40], 'telecom');
  when([15], 'communication');
  when([16], 'maritalStatus');
  when([24, 25], 'multipleBirthBoolean', 'multipleBirthInteger');
  when([29, 30], 'deceasedDateTime', 'deceasedBoolean');
  return deleted;
}
