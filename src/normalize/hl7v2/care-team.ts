/** ROL and PRT behind PID, other than the primary care provider, to CareTeam (maps ROL[CareTeam], PRT[CareTeam]). */
import { ofPatient, subjectOf, clinicalMeta, type ClinicalFrame } from './clinical.ts';
import { compact } from './context.ts';
import type { Role } from './role.ts';

/** One team for each patient and source; a message that states the visit lists it whole. */
export function careTeamChange(frame: ClinicalFrame, roles: readonly Role[]): void {
  if (roles.length === 0) return;
  const participant = roles.map(({ concept, member, period }) =>
    compact({ role: concept === undefined ? undefined : [concept], member, period }),
  );
  frame.list.add({
    type: 'CareTeam',
    keys: [ofPatient(frame, 'care-team', frame.context.profile.name)],
    set: {
      resourceType: 'CareTeam',
      ...clinicalMeta(frame),
      status: 'active',
      subject: subjectOf(frame),
      ...(frame.states && { participant }),
    },
    ...(!frame.states && { append: { participant } }),
  });
}
