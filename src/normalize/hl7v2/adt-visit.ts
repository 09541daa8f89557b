/**
 * Visits that are one (A42). R4 has no link between Encounters: the surviving one also has the other's number as an old one, the
 * other is entered-in-error and names it by the extension associatedEncounter. What hangs on it stays there.
 */
import { GatewayError } from '../../core/errors.ts';
import { changeReference } from '../../formats/fhir/change.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { priorOwner, priorsOf, requireKey, survivorChange } from './merge-sides.ts';
import { encounterChange } from './encounter.ts';
import { facilityKey } from './facility-key.ts';
import { mergeGroups } from './merge-groups.ts';
import { priorVisit } from './mrg.ts';
import { patientIdentifiers, type PatientResult } from './patient.ts';
import { marksOf, metaOf, type Marks } from './security.ts';
import type { Conversion } from './structure.ts';
import { UNKNOWN_CLASS } from './tables.ts';
import type { VisitEvent } from './visit-event.ts';

const ASSOCIATED = 'http://hl7.org/fhir/StructureDefinition/encounter-associatedEncounter';

/** A42: the visit of PV1-19 survives, that of MRG-5 is merged into it. */
export function adtA42(conversion: Conversion): void {
  const { context, list } = conversion;
  const marks = marksOf(context, context.message.segments);
  for (const group of mergeGroups(conversion, true)) {
    const identifiers = patientIdentifiers(context, group.pid);
    requireKey(identifiers);
    const patient = survivorChange(conversion, group, [], marks);
    for (const { mrg, pv1 } of priorsOf(group)) {
      const prior = priorVisit(context, mrg);
      const visit = requiredVisit(conversion, pv1 ?? group.pv1, patient, 'A42', marks);
      list.appendTo(visit, 'identifier', [{ ...prior.identifier, use: 'old' }]);
      const owner = priorOwner(conversion, mrg, identifiers, patient, marks);
      const meta = metaOf(marks.all, marks.encounter);
      list.add({
        type: 'Encounter',
        keys: [facilityKey(context, 'visit', prior)],
        unless: visit,
        set: {
          resourceType: 'Encounter',
          ...(meta && { meta }),
          status: 'entered-in-error',
          subject: { reference: changeReference(owner.index) },
        },
        append: {
          identifier: [prior.identifier],
          extension: [{ url: ASSOCIATED, valueReference: { reference: changeReference(visit) } }],
        },
        initial: { class: UNKNOWN_CLASS },
      });
    }
  }
}

/** The visit of PV1. Throws `required-missing` without PV1, or without anything to know it by. */
export function requiredVisit(
  { context, list }: Conversion,
  pv1: Segment | undefined,
  patient: PatientResult,
  event: VisitEvent,
  marks: Marks,
): number {
  if (pv1 === undefined)
    throw new GatewayError('required-missing', 'the message has no PV1 segment', { expression: 'PV1' });
  const visit = encounterChange(context, list, { pv1, pv2: undefined }, patient, event, marks);
  if (visit === undefined)
    throw new GatewayError('required-missing', 'PV1-19, the visit number, is required for this event', {
      expression: 'PV1-19',
    });
  return visit;
}
