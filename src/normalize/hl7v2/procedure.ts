/** PR1 with its ROL and PRT to Procedure (map PR1[Procedure]). */
import { repetitions } from '../../formats/hl7v2/delimiters.ts';
import { toFhirDateTime, toMillis } from '../../formats/hl7v2/dtm.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import type { Claimed } from './claim.ts';
import {
  clinicalMeta,
  encounterOf,
  nameOfConcept,
  ofPatient,
  ofVisit,
  subjectOf,
  type ClinicalFrame,
} from './clinical.ts';
import { describedConcept } from './coded.ts';
import { compact, dtmOf, firstOf, present, type Context, type Element } from './context.ts';
import { conceptOf, V2_TABLE } from './datatypes/codeable-concept.ts';
import { eiIdentifier } from './datatypes/identifier.ts';
import { locationOf } from './location.ts';
import { notesOf } from './observation.ts';
import { rolesOf } from './role.ts';

const SNOMED = 'http://snomed.info/sct';

/** PR1 fields of people, with the function that the guide gives them. */
const PERFORMERS: readonly (readonly [field: number, functionCode: Element | undefined])[] = [
  [8, { coding: [{ system: SNOMED, code: '88189002', display: 'Anesthesiologist' }] }],
  [11, { coding: [{ system: SNOMED, code: '304292004', display: 'Surgeon' }] }],
  [12, undefined],
];

/** Adds the Procedure of one PR1 and returns its position; undefined for one that names no procedure. */
export function procedureChange(frame: ClinicalFrame, claimed: Claimed): number | undefined {
  const { context, list } = frame;
  const { segment: pr1, number } = claimed;
  const location = `PR1[${number}]`;
  const plain = describedConcept(context, pr1);
  const code = plain && withModifiers(context, plain, pr1);
  if (code === undefined) {
    context.omissions.push({ location: `${location}-3`, reason: 'no-code' });
    return undefined;
  }
  const at = dtmOf(context, pr1.field(5), `${location}-5`);
  const performed = at && toFhirDateTime(at, context.zone);
  const begins = at && toMillis(at, context.zone);
  const identifier = eiIdentifier(context, pr1.field(19), '');
  const partOf = eiIdentifier(context, pr1.field(25), '')?.identifier;
  const reason = conceptOf(context, pr1.field(15));
  const withdrawn = firstOf(context, pr1.field(20)) === 'D';
  const minutes = Number(firstOf(context, pr1.field(7)) ?? 'NaN');
  const end =
    begins === undefined || performed === undefined || performed.length < 11 || !(minutes > 0) || minutes > 100_000
      ? undefined
      : new Date(begins + minutes * 60_000).toISOString();
  return list.add({
    type: 'Procedure',
    keys: [
      identifier === undefined
        ? ofVisit(frame, 'procedure', nameOfConcept(code), firstOf(context, pr1.field(5)) ?? '')
        : ofPatient(frame, 'procedure-number', identifier.system, identifier.value),
    ],
    set: {
      resourceType: 'Procedure',
      ...clinicalMeta(frame),
      ...compact({
        status: withdrawn
          ? 'entered-in-error'
          : begins !== undefined && begins > frame.sourceTime
            ? 'preparation'
            : 'completed',
        category: conceptOf(context, pr1.field(6), `${V2_TABLE}0230`),
        code,
        subject: subjectOf(frame),
        encounter: encounterOf(frame),
        performedPeriod: end === undefined ? undefined : { start: performed, end },
        performedDateTime: end === undefined ? performed : undefined,
        performer: performersOf(frame, claimed),
        location: locationOf(context, list, repetitions(pr1.field(23), context.by)[0] ?? ''),
        reasonCode: reason === undefined ? undefined : [reason],
        partOf: partOf === undefined ? undefined : [{ type: 'Procedure', identifier: partOf }],
        note: notesOf(context, claimed.notes),
      }),
    },
    append: { identifier: identifier === undefined ? [] : [identifier.identifier] },
  });
}

/** PR1-16: the code with its modifiers as the guide joins them, behind the code by which the procedure is found. */
function withModifiers(context: Context, code: Element, pr1: Segment): Element {
  const modifiers = present(repetitions(pr1.field(16), context.by).map((raw) => firstOf(context, raw)));
  const [first, ...others]: Element[] = Array.isArray(code.coding) ? code.coding : [];
  if (modifiers.length === 0 || first === undefined) return code;
  const modified = compact({ system: first.system, code: [first.code, ...modifiers].join(':') });
  return { ...code, coding: [first, ...others, modified] };
}

function performersOf(frame: ClinicalFrame, { segment: pr1, roles }: Claimed): Element[] {
  const { context, list } = frame;
  const named = PERFORMERS.flatMap(([field, functionCode]) =>
    repetitions(pr1.field(field), context.by).flatMap((raw) => {
      const actor = list.practitioner(context, raw);
      return actor === undefined ? [] : [compact({ function: functionCode, actor })];
    }),
  );
  const others = rolesOf(context, list, roles).map(({ concept, member, onBehalfOf }) =>
    compact({ function: concept, actor: member, onBehalfOf }),
  );
  return [...named, ...others];
}
