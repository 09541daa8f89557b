/** ROL and PRT behind PID, other than the primary care provider, to CareTeam (maps ROL[CareTeam], PRT[CareTeam]). */
import { ofPatient, subjectOf, clinicalMeta, type ClinicalFrame } from './clinical.ts';
import { compact, firstOf, present, type Element } from './context.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import type { Role } from './role.ts';

const CASE_MANAGER: Element = {
  coding: [{ system: 'http://snomed.info/sct', code: '768832004', display: 'Case manager' }],
  text: 'case manager',
};

/** IN3-21, the case manager of an insurance: a name (map IN3[CareTeam]). */
export function caseManagers({ context }: ClinicalFrame, segments: readonly Segment[]): Role[] {
  return segments.flatMap((in3) => {
    const display = firstOf(context, in3.field(21));
    const nothing = { code: undefined, period: undefined, kind: undefined, onBehalfOf: undefined, reason: undefined };
    return display === undefined ? [] : [{ ...nothing, concept: CASE_MANAGER, isPerson: true, member: { display } }];
  });
}

/** One team for each patient and source; a message that states the visit lists it whole. */
export function careTeamChange(frame: ClinicalFrame, roles: readonly Role[]): void {
  if (roles.length === 0) return;
  const participant = roles.map(({ concept, kind, member, onBehalfOf, period }) =>
    compact({ role: present([concept, kind]), member, onBehalfOf, period }),
  );
  const reasonCode = present(roles.map(({ reason }) => reason));
  frame.list.add({
    type: 'CareTeam',
    keys: [ofPatient(frame, 'care-team', frame.context.profile.name)],
    set: {
      resourceType: 'CareTeam',
      ...clinicalMeta(frame),
      status: 'active',
      subject: subjectOf(frame),
      ...(frame.states && { participant, ...compact({ reasonCode }) }),
    },
    ...(!frame.states && { append: { participant, reasonCode } }),
  });
}
