/** PV1-54 and PV1-53 to EpisodeOfCare (map PV1[Encounter]): the episode that several visits belong to. */
import { changeReference } from '../../formats/fhir/change.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import type { ChangeList } from './change-list.ts';
import { compact, extension, present, textOf, type Context } from './context.ts';
import { cxIdentifier } from './datatypes/identifier.ts';
import { facilityKey } from './facility-key.ts';
import type { PatientResult } from './patient.ts';
import { metaOf, type Marks } from './security.ts';

const DESCRIPTION = 'http://hl7.org/fhir/StructureDefinition/resource-instance-description';

/** Position of the EpisodeOfCare; undefined without PV1-54. Ours: one that is named is active. */
export function episodeChange(
  context: Context,
  list: ChangeList,
  pv1: Segment,
  patient: PatientResult,
  marks: Marks,
): number | undefined {
  const found = cxIdentifier(context, pv1.field(54), '', 'PV1-54');
  if (found === undefined) return undefined;
  const meta = metaOf(marks.all, marks.encounter);
  const description = extension(DESCRIPTION, 'valueMarkdown', textOf(context, pv1.field(53)));
  return list.add({
    type: 'EpisodeOfCare',
    keys: [[...facilityKey(context, 'episode', found), ...patient.keys[0]]],
    set: {
      resourceType: 'EpisodeOfCare',
      ...compact({ meta, extension: description === undefined ? undefined : present([description]) }),
      patient: { reference: changeReference(patient.index) },
    },
    append: { identifier: [found.identifier] },
    initial: { status: 'active' },
  });
}
