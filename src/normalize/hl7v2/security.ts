/**
 * What a message says about who may see it, as codings for `meta.security`: MSH-8, MSH-26, MSH-27, PD1-12, PV2-22, ARV, CON, ORC-28,
 * OBX-13. Which lockbox follows from them is decided by `labels/`; here they are only carried over. A mark that we do not
 * understand counts as restricted there.
 */
import { components, repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { codeOf, type Context, type Element } from './context.ts';
import { codeSystemOf, V2_TABLE } from './datatypes/codeable-concept.ts';

const CONFIDENTIALITY = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality';
const ACT_CODE = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';

/** The mark of what its sender keeps from most. */
export const RESTRICTED: Element = { system: CONFIDENTIALITY, code: 'R', display: 'restricted' };

/** Codes that name themselves, whatever table the sender took them from. */
const CONFIDENTIALITY_CODES = new Set(['U', 'L', 'M', 'N', 'R', 'V']);
const SENSITIVITY_CODES = new Set([
  'ETH',
  'ETHUD',
  'GDIS',
  'HIV',
  'MST',
  'OPIOIDUD',
  'PSY',
  'PSYTHPN',
  'SCA',
  'SDV',
  'SEX',
  'SICKLE',
  'STD',
  'SUD',
  'BH',
  'MH',
  'VIO',
]);
/** Table 0177, where it names what others do not. */
const V2_CODES = new Set(['AID', 'EMP', 'ETH', 'HIV', 'PSY', 'UWM', 'VIP']);
/** Words that systems put into MSH-8 and that ask for nothing. */
const ORDINARY = new Set(['', 'N', 'NONE', 'NO', 'NORMAL', 'U', 'SECURITY']);

/** Marks of each part of a message. */
export interface Marks {
  /** On every record of the patient. */
  readonly all: readonly Element[];
  /** On the Patient alone. */
  readonly patient: readonly Element[];
  readonly encounter: readonly Element[];
  /** On results and orders. */
  readonly clinical: readonly Element[];
}

/** Marks by what they were read of: a message of thousands of patients asks for them once a patient. */
const known = new WeakMap<readonly Segment[], Marks>();

/** Reads the marks that hold for whole resources of a message; those of one order or result are read beside it. */
export function marksOf(context: Context, segments: readonly Segment[]): Marks {
  let marks = known.get(segments);
  if (marks === undefined) known.set(segments, (marks = readMarks(context, segments)));
  return marks;
}

function readMarks(context: Context, segments: readonly Segment[]): Marks {
  const marks = {
    all: [] as Element[],
    patient: [] as Element[],
    encounter: [] as Element[],
    clinical: [] as Element[],
  };
  const { msh } = context.message;
  for (const repetition of repetitions(msh.field(8), context.by)) marks.all.push(...plainMarks(context, repetition));
  marks.all.push(...codedMarks(context, msh.field(26)), ...codedMarks(context, msh.field(27)));
  for (const segment of segments) {
    if (segment.id === 'PD1' && isYes(context, segment.field(12))) marks.patient.push(RESTRICTED);
    else if (segment.id === 'PV2' && isYes(context, segment.field(22))) marks.encounter.push(RESTRICTED);
    else if (segment.id === 'ARV') readRestriction(context, segment, marks);
    // CON-11 and CON-12 name what is consented; that one exists says that the ordinary rule may not hold.
    else if (segment.id === 'CON') marks.all.push(RESTRICTED);
  }
  return marks;
}

/** MSH-8 is a text: each word of it that is no code of ours asks for restriction, but those that ask for nothing. */
function plainMarks(context: Context, raw: string): readonly Element[] {
  const words = (capitals(context, components(raw, context.by)[0]) ?? '').split(/[^A-Z0-9]+/);
  return words
    .filter((word) => !ORDINARY.has(word))
    .map((word) => {
      if (SENSITIVITY_CODES.has(word)) return { system: ACT_CODE, code: word };
      return V2_CODES.has(word) ? { system: `${V2_TABLE}0177`, code: word } : RESTRICTED;
    });
}

/** A code in capitals: what a sender writes in small letters is meant no less. */
function capitals(context: Context, raw: string | undefined): string | undefined {
  return codeOf(context, raw)?.toUpperCase();
}

/** Table 0136. */
function isYes(context: Context, raw: string): boolean {
  return /^Y(ES)?$/.test(capitals(context, raw) ?? '');
}

/** ARV-2 `X` removes a restriction: labels only grow (a person lifts them), so it adds none. ARV-3 is of table 0717. */
function readRestriction(
  context: Context,
  segment: Segment,
  marks: { all: Element[]; patient: Element[]; encounter: Element[]; clinical: Element[] },
): void {
  if (capitals(context, components(segment.field(2), context.by)[0]) === 'X') return;
  for (const repetition of repetitions(segment.field(3), context.by)) {
    const code = capitals(context, components(repetition, context.by)[0]);
    if (code === undefined || code === 'NO') continue;
    if (code === 'DEM' || code === 'PID-7' || code === 'PID-17') marks.patient.push(RESTRICTED);
    else if (code === 'LOC') marks.encounter.push(RESTRICTED);
    else if (SENSITIVITY_CODES.has(code)) marks.clinical.push({ system: ACT_CODE, code });
    else if (code === 'DRG') marks.clinical.push({ system: ACT_CODE, code: 'SUD' });
    else if (code === 'SMD') marks.clinical.push(RESTRICTED);
    else marks.all.push(RESTRICTED);
  }
}

/** ORC-28, OBX-13, MSH-26, MSH-27: coded by their system, or by a code that names itself, or by table 0177. */
export function codedMarks(context: Context, raw: string): Element[] {
  if (raw === '' || raw === '""') return [];
  const marks: Element[] = [];
  for (const repetition of repetitions(raw, context.by)) {
    const parts = components(repetition, context.by);
    const code = codeOf(context, parts[0]);
    if (code === undefined) continue;
    const name = codeOf(context, parts[2]);
    const known = code.toUpperCase();
    if (name !== undefined && name !== 'HL70177') marks.push({ system: codeSystemOf(context, name), code });
    else if (name === undefined && CONFIDENTIALITY_CODES.has(known))
      marks.push({ system: CONFIDENTIALITY, code: known });
    else if (name === undefined && SENSITIVITY_CODES.has(known)) marks.push({ system: ACT_CODE, code: known });
    else marks.push({ system: `${V2_TABLE}0177`, code: V2_CODES.has(known) ? known : code });
  }
  return marks;
}

/** `meta` with marks; undefined without any. */
export function metaOf(...lists: readonly (readonly Element[])[]): { security: Element[] } | undefined {
  const security: Element[] = [];
  for (const list of lists) {
    for (const mark of list)
      if (!security.some((known) => known.system === mark.system && known.code === mark.code)) security.push(mark);
  }
  return security.length === 0 ? undefined : { security };
}
