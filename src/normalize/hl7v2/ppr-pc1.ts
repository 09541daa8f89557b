/** PPR_PC1, PGL_PC6 and PPP_PCB: problems, goals and pathways, in whichever order they are nested. */
import { codeTable } from '../../core/code-table.ts';
import type { Claimed, ClaimRule } from './claim.ts';
import { goalChange, pathwayChange } from './goal.ts';
import { ordersAndResults } from './orders-and-results.ts';
import { problemChange } from './prb.ts';
import { repeatedPatient } from './repeated-patient.ts';
import { countUnmapped, type Structure } from './structure.ts';

const HANGING: ClaimRule = { notes: true, roles: true, below: ['VAR'] };
const RULES: Readonly<Record<string, ClaimRule>> = codeTable({ PRB: HANGING, GOL: HANGING, PTH: HANGING });

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
    let above: Claimed | undefined;
    for (const [at, each] of claims.all.entries()) {
      if (each.segment.id === 'PRB') above = each;
      if (each.segment.id !== 'GOL' && each.segment.id !== 'PTH') continue;
      const named = above === undefined ? problemsBelow(claims.all, at) : [above];
      const addressed = named.flatMap((prb) => problems.get(prb) ?? []);
      if (each.segment.id === 'GOL') count(goalChange(frame, each, deletes, addressed), each);
      else count(pathwayChange(frame, each, deletes, addressed), each);
    }
    ordersAndResults(conversion, group, orders);
  };
}

/** Without a problem above (PPR) those below, up to the next of its kind, are meant (PGL, PPP). */
function problemsBelow(all: readonly Claimed[], at: number): Claimed[] {
  const problems: Claimed[] = [];
  for (let i = at + 1; i < all.length && all[i].segment.id !== all[at].segment.id; i += 1) {
    if (all[i].segment.id === 'PRB') problems.push(all[i]);
  }
  return problems;
}
