/** PPR_PC1, PGL_PC6 and PPP_PCB: problems, goals and pathways, in whichever order they are nested. */
import type { Claimed, ClaimRule } from './claim.ts';
import { goalChange, pathwayChange } from './goal.ts';
import { patientResults } from './oru-r01.ts';
import { problemChange } from './prb.ts';
import { repeatedPatient } from './repeated-patient.ts';
import { countUnmapped, type Structure } from './structure.ts';

const HANGING: ClaimRule = { notes: true, roles: true };
const RULES: Readonly<Record<string, ClaimRule>> = { PRB: HANGING, GOL: HANGING, PTH: HANGING };

/** `deletes`: the event takes what it names back. Throws `required-missing` without PID. */
export function pathways(deletes = false): Structure {
  return (conversion) => {
    const { group, claims, frame, orders } = repeatedPatient(conversion, RULES);
    const count = (index: number | undefined, { segment }: Claimed): number | undefined => {
      if (index === undefined) countUnmapped(conversion.unmapped, segment.id);
      return index;
    };
    const problems = new Map<Claimed, number>();
    for (const each of claims.all.filter(({ segment }) => segment.id === 'PRB')) {
      const index = count(problemChange(frame, each, deletes), each);
      if (index !== undefined) problems.set(each, index);
    }
    for (const each of claims.all) {
      const addressed = problemsOf(claims.all, each).flatMap((prb) => problems.get(prb) ?? []);
      if (each.segment.id === 'GOL') count(goalChange(frame, each, deletes, addressed), each);
      else if (each.segment.id === 'PTH') count(pathwayChange(frame, each, deletes, addressed), each);
    }
    patientResults(conversion, group, orders);
  };
}

/** The problem above (PPR), else the problems below up to the next of its kind (PGL, PPP). */
function problemsOf(all: readonly Claimed[], of: Claimed): Claimed[] {
  const at = all.indexOf(of);
  const above = all.slice(0, at).findLast(({ segment }) => segment.id === 'PRB');
  if (above !== undefined) return [above];
  const next = all.findIndex(({ segment }, i) => i > at && segment.id === of.segment.id);
  return all.slice(at, next < 0 ? undefined : next).filter(({ segment }) => segment.id === 'PRB');
}
