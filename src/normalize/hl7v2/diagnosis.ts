/** DG1 to Condition and Encounter.diagnosis (maps DG1[Condition], DG1[Encounter]). */
import { codeTable } from '../../core/code-table.ts';
import { changeReference } from '../../formats/fhir/change.ts';
import { repetitions } from '../../formats/hl7v2/delimiters.ts';
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
import { compact, dateTimeOf, extension, firstOf, type Context, type Element } from './context.ts';
import { V2_TABLE } from './datatypes/codeable-concept.ts';
import { eiIdentifier } from './datatypes/identifier.ts';
import { notesOf } from './observation.ts';
import { RESTRICTED } from './security.ts';

const VERIFICATION = 'http://terminology.hl7.org/CodeSystem/condition-ver-status';
const CATEGORY = 'http://terminology.hl7.org/CodeSystem/condition-category';
const DUE_TO = 'http://hl7.org/fhir/StructureDefinition/condition-dueTo';
const ASSERTED = 'http://hl7.org/fhir/StructureDefinition/condition-assertedDate';
const ROLE = 'http://terminology.hl7.org/CodeSystem/diagnosis-role';

/** Table 0052 to verificationStatus. Ours: the guide has none. */
const VERIFIED: Readonly<Record<string, string>> = codeTable({ F: 'confirmed', W: 'provisional' });

/** Adds the Conditions of DG1 segments, and what the visit says of them. Returns their positions. */
export function diagnosisChanges(frame: ClinicalFrame, claimed: readonly Claimed[]): number[] {
  const found = claimed.flatMap((each) => {
    const index = conditionChange(frame, each);
    return index === undefined ? [] : [{ index, ...each }];
  });
  if (frame.encounter !== undefined) {
    const diagnosis = found.flatMap(({ index, segment }) =>
      isWithdrawn(frame.context, segment.field(21))
        ? []
        : [
            compact({
              condition: { reference: changeReference(index) },
              use: useOf(frame.context, segment.field(6)),
              rank: rankOf(firstOf(frame.context, segment.field(15))),
            }),
          ],
    );
    // A message that states the visit lists its diagnoses whole; others add to them.
    if (!frame.states) frame.list.appendTo(frame.encounter, 'diagnosis', diagnosis);
    else if (diagnosis.length > 0) frame.list.setOn(frame.encounter, { diagnosis });
  }
  return [...new Set(found.map(({ index }) => index))];
}

function conditionChange(frame: ClinicalFrame, { segment: dg1, number, notes }: Claimed): number | undefined {
  const { context, list } = frame;
  const location = `DG1[${number}]`;
  const code = describedConcept(context, dg1);
  if (code === undefined) {
    context.omissions.push({ location: `${location}-3`, reason: 'no-code' });
    return undefined;
  }
  const identifier = eiIdentifier(context, dg1.field(20), '');
  const withdrawn = isWithdrawn(context, dg1.field(21));
  const verified = withdrawn ? 'entered-in-error' : VERIFIED[firstOf(context, dg1.field(6)) ?? ''];
  const attested = dateTimeOf(context, dg1.field(19), `${location}-19`);
  const parent = eiIdentifier(context, dg1.field(22), '')?.identifier;
  const confidential = firstOf(context, dg1.field(18)) === 'Y' ? [RESTRICTED] : [];
  return list.add({
    type: 'Condition',
    keys: [
      identifier === undefined
        ? ofVisit(frame, 'diagnosis', nameOfConcept(code))
        : ofPatient(frame, 'diagnosis-number', identifier.system, identifier.value),
    ],
    set: {
      resourceType: 'Condition',
      ...clinicalMeta(frame, confidential),
      ...compact({
        verificationStatus: verified === undefined ? undefined : { coding: [{ system: VERIFICATION, code: verified }] },
        category: [{ coding: [{ system: CATEGORY, code: 'encounter-diagnosis', display: 'Encounter Diagnosis' }] }],
        code,
        subject: subjectOf(frame),
        encounter: encounterOf(frame),
        onsetDateTime: dateTimeOf(context, dg1.field(5), `${location}-5`),
        recordedDate: attested,
        asserter: repetitions(dg1.field(16), context.by).flatMap((raw) => list.practitioner(context, raw) ?? [])[0],
        note: notesOf(context, notes),
        extension: [
          extension(ASSERTED, 'valueDateTime', attested),
          extension(
            DUE_TO,
            'valueReference',
            parent === undefined ? undefined : { type: 'Condition', identifier: parent },
          ),
        ].filter((each) => each !== undefined),
      }),
    },
    append: { identifier: identifier === undefined ? [] : [identifier.identifier] },
  });
}

function isWithdrawn(context: Context, raw: string): boolean {
  return firstOf(context, raw) === 'D';
}

/** Table 0052: A is the admission diagnosis; working and final stay codes of their table. */
function useOf(context: Context, raw: string): Element | undefined {
  const code = firstOf(context, raw);
  if (code === undefined) return undefined;
  if (code === 'A') return { coding: [{ system: ROLE, code: 'AD', display: 'Admission diagnosis' }] };
  return { coding: [{ system: `${V2_TABLE}0052`, code }] };
}

function rankOf(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9]\d{0,3}$/.test(text) ? Number(text) : undefined;
}
