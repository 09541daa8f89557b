/** GOL to Goal, PTH to CarePlan. The guide has no maps for them: ours. */
import { codeTable } from '../../core/code-table.ts';
import { toFhirDate } from '../../formats/hl7v2/dtm.ts';
import type { Claimed } from './claim.ts';
import { clinicalMeta, encounterOf, nameOfConcept, ofPatient, subjectOf, type ClinicalFrame } from './clinical.ts';
import { compact, dateTimeOf, dtmOf, firstOf, type Element } from './context.ts';
import { conceptOf } from './datatypes/codeable-concept.ts';
import { eiIdentifier } from './datatypes/identifier.ts';
import { conditionReferences, wordOf } from './prb.ts';
import { planNotes } from './variance.ts';

/** GOL-18 by the words in use. */
const GOAL_STATUS: Readonly<Record<string, string>> = codeTable({
  ACCEPTED: 'accepted',
  ACHIEVED: 'completed',
  ACTIVE: 'active',
  CANCELLED: 'cancelled',
  COMPLETED: 'completed',
  PLANNED: 'planned',
  PROPOSED: 'proposed',
});
/** PTH-5 by the words in use. */
const PLAN_STATUS: Readonly<Record<string, string>> = codeTable({
  ACTIVE: 'active',
  CANCELLED: 'revoked',
  COMPLETED: 'completed',
  DISCONTINUED: 'revoked',
  SUSPENDED: 'on-hold',
});

/** Adds the Goal of one GOL; `problems`: positions of the Conditions it is for. */
export function goalChange(
  frame: ClinicalFrame,
  claimed: Claimed,
  deletes: boolean,
  problems: readonly number[],
): number | undefined {
  const { context } = frame;
  const { segment: gol, number } = claimed;
  const location = `GOL[${number}]`;
  const description = conceptOf(context, gol.field(3));
  if (description === undefined) {
    context.omissions.push({ location: `${location}-3`, reason: 'no-code' });
    return undefined;
  }
  const isError = deletes || firstOf(context, gol.field(1)) === 'DE';
  const starts = dtmOf(context, gol.field(7), `${location}-7`);
  const due = dtmOf(context, gol.field(8), `${location}-8`);
  return planned(frame, 'goal', gol.field(4), description, {
    resourceType: 'Goal',
    ...compact({
      lifecycleStatus: isError ? 'entered-in-error' : (GOAL_STATUS[wordOf(context, gol.field(18))] ?? 'active'),
      category: listed(conceptOf(context, gol.field(9))),
      description,
      startDate: starts && toFhirDate(starts),
      target: due === undefined ? undefined : [{ dueDate: toFhirDate(due) }],
      addresses: conditionReferences(problems),
      note: planNotes(frame, claimed),
    }),
  });
}

/** Adds the CarePlan of one PTH. */
export function pathwayChange(
  frame: ClinicalFrame,
  claimed: Claimed,
  deletes: boolean,
  problems: readonly number[],
): number | undefined {
  const { context } = frame;
  const { segment: pth, number } = claimed;
  const location = `PTH[${number}]`;
  const pathway = conceptOf(context, pth.field(2));
  if (pathway === undefined) {
    context.omissions.push({ location: `${location}-2`, reason: 'no-code' });
    return undefined;
  }
  const isError = deletes || firstOf(context, pth.field(1)) === 'DE';
  const start = dateTimeOf(context, pth.field(4), `${location}-4`);
  const encounter = encounterOf(frame);
  return planned(frame, 'pathway', pth.field(3), pathway, {
    resourceType: 'CarePlan',
    ...compact({
      status: isError ? 'entered-in-error' : (PLAN_STATUS[wordOf(context, pth.field(5))] ?? 'active'),
      intent: 'plan',
      category: [pathway],
      encounter,
      period: start === undefined ? undefined : { start },
      addresses: conditionReferences(problems),
      note: planNotes(frame, claimed),
    }),
  });
}

/** Known by its instance id, else by what it is, within the patient's record. */
function planned(
  frame: ClinicalFrame,
  kind: string,
  instance: string,
  concept: Element,
  resource: Element & { resourceType: string },
): number {
  const identifier = eiIdentifier(frame.context, instance, '');
  return frame.list.add({
    type: resource.resourceType,
    keys: [
      identifier === undefined
        ? ofPatient(frame, kind, nameOfConcept(concept))
        : ofPatient(frame, `${kind}-number`, identifier.system, identifier.value),
    ],
    set: { ...clinicalMeta(frame), ...resource, subject: subjectOf(frame) },
    append: { identifier: identifier === undefined ? [] : [identifier.identifier] },
  });
}

function listed(concept: Element | undefined): Element[] | undefined {
  return concept === undefined ? undefined : [concept];
}
