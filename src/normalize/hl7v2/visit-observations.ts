/** OBX that stand at a patient or visit, not below an order: in ADT messages, and before the first OBR of ORU. */
import type { ChangeList } from './change-list.ts';
import { firstOf, type Context } from './context.ts';
import { observationChange, type ObservationGroup } from './observation.ts';
import type { Marks } from './security.ts';

/** What surrounds them. */
export interface VisitFrame {
  /** Position of the Patient. */
  readonly index: number;
  readonly encounter: number | undefined;
  readonly sourceTime: number;
  readonly used: Map<string, number>;
  readonly marks: Marks;
}

/** About the patient; known by their time, else by the message and their place. Returns their positions. */
export function visitObservations(
  context: Context,
  list: ChangeList,
  observations: readonly ObservationGroup[],
  frame: VisitFrame,
): number[] {
  const patient = list.changes[frame.index];
  return observations.flatMap((observation) => {
    const observed = firstOf(context, observation.obx.field(14));
    const index = observationChange(context, list, observation, {
      key:
        observed === undefined
          ? ['message', context.profile.name, context.controlId]
          : ['patient', ...patient.keys[0], observed],
      patient: frame.index,
      encounter: frame.encounter,
      basedOn: undefined,
      observedAt: undefined,
      category: undefined,
      sourceTime: frame.sourceTime,
      marks: frame.marks,
      orderMarks: [],
      used: frame.used,
    });
    return index === undefined ? [] : [index];
  });
}
