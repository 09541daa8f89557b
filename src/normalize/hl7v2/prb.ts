/** PRB to Condition on the problem list. The guide has no map for it: ours. */
import { codeTable } from '../../core/code-table.ts';
import { changeReference } from '../../formats/fhir/change.ts';
import type { Claimed } from './claim.ts';
import { clinicalMeta, encounterOf, nameOfConcept, ofPatient, subjectOf, type ClinicalFrame } from './clinical.ts';
import { compact, dateTimeOf, extension, firstOf, textOf, type Context, type Element } from './context.ts';
import { conceptOf } from './datatypes/codeable-concept.ts';
import { eiIdentifier } from './datatypes/identifier.ts';
import { rolesOf } from './role.ts';
import { codedMarks } from './security.ts';
import { planNotes } from './variance.ts';

const CLINICAL = 'http://terminology.hl7.org/CodeSystem/condition-clinical';
const VERIFICATION = 'http://terminology.hl7.org/CodeSystem/condition-ver-status';
const CATEGORY = 'http://terminology.hl7.org/CodeSystem/condition-category';
const ASSERTED = 'http://hl7.org/fhir/StructureDefinition/condition-assertedDate';

/** PRB-14, a user-defined table, by the words in use. */
const LIFE_CYCLE: Readonly<Record<string, string>> = codeTable({
  ACTIVE: 'active',
  CLOSED: 'resolved',
  INACTIVE: 'inactive',
  RECURRENCE: 'recurrence',
  RELAPSE: 'relapse',
  REMISSION: 'remission',
  RESOLVED: 'resolved',
});
/** PRB-13, confirmation, by the words in use. */
const CONFIRMATION: Readonly<Record<string, string>> = codeTable({
  CONFIRMED: 'confirmed',
  DIFFERENTIAL: 'differential',
  PROVISIONAL: 'provisional',
  REFUTED: 'refuted',
  'RULED OUT': 'refuted',
  SUSPECTED: 'unconfirmed',
  UNCONFIRMED: 'unconfirmed',
});
const OVER = new Set(['inactive', 'remission', 'resolved']);

/** Adds the Condition of one PRB; `deletes`: the event does. Undefined for a problem without a code. */
export function problemChange(frame: ClinicalFrame, claimed: Claimed, deletes: boolean): number | undefined {
  const { context, list } = frame;
  const { segment: prb, number } = claimed;
  const location = `PRB[${number}]`;
  const code = conceptOf(context, prb.field(3));
  if (code === undefined) {
    context.omissions.push({ location: `${location}-3`, reason: 'no-code' });
    return undefined;
  }
  const identifier = eiIdentifier(context, prb.field(4), '');
  const word = wordOf(context, prb.field(14));
  const isError = deletes || firstOf(context, prb.field(1)) === 'DE' || word === 'DELETED';
  const abated = isError ? undefined : dateTimeOf(context, prb.field(9), `${location}-9`);
  const cycle = LIFE_CYCLE[word] ?? 'active';
  // R4 (con-4): what has abated is over.
  const clinical = abated !== undefined && !OVER.has(cycle) ? 'resolved' : cycle;
  const verified = isError ? 'entered-in-error' : CONFIRMATION[wordOf(context, prb.field(13))];
  const established = dateTimeOf(context, prb.field(7), `${location}-7`);
  const onset = dateTimeOf(context, prb.field(16), `${location}-16`);
  return list.add({
    type: 'Condition',
    keys: [
      identifier === undefined
        ? ofPatient(frame, 'problem', nameOfConcept(code))
        : ofPatient(frame, 'problem-number', identifier.system, identifier.value),
    ],
    set: {
      resourceType: 'Condition',
      ...clinicalMeta(frame, codedMarks(context, prb.field(25))),
      ...compact({
        clinicalStatus: isError ? undefined : { coding: [{ system: CLINICAL, code: clinical }] },
        verificationStatus: verified === undefined ? undefined : { coding: [{ system: VERIFICATION, code: verified }] },
        category: [{ coding: [{ system: CATEGORY, code: 'problem-list-item', display: 'Problem List Item' }] }],
        severity: conceptOf(context, prb.field(26)),
        code,
        subject: subjectOf(frame),
        encounter: encounterOf(frame),
        onsetDateTime: onset,
        onsetString: onset === undefined ? textOf(context, prb.field(17)) : undefined,
        abatementDateTime: abated,
        recordedDate: dateTimeOf(context, prb.field(2), `${location}-2`) ?? established,
        asserter: rolesOf(context, list, claimed.roles).find(({ isPerson }) => isPerson)?.member,
        note: planNotes(frame, claimed),
        extension: established === undefined ? undefined : [extension(ASSERTED, 'valueDateTime', established)],
      }),
    },
    append: { identifier: identifier === undefined ? [] : [identifier.identifier] },
    ...(isError && { clear: ['clinicalStatus', 'abatementDateTime'] }),
    ...(!isError && !OVER.has(clinical) && { clear: ['abatementDateTime'] }),
  });
}

/** The code, else the text of a field, in capitals. */
export function wordOf(context: Context, raw: string): string {
  const concept = conceptOf(context, raw);
  return (firstOf(context, raw) ?? (typeof concept?.text === 'string' ? concept.text : '')).toUpperCase();
}

/** References to Conditions. */
export function conditionReferences(positions: readonly number[]): Element[] {
  return positions.map((index) => ({ reference: changeReference(index) }));
}
