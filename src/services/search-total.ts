/** How many matches a search has, over what the caller may see and only that: exact, or not said. */
import { GatewayError } from '../core/errors.ts';
import { SEARCH_EXACT_TOTAL } from '../core/limits.ts';
import { candidateStream, type ScanShape } from './candidate-stream.ts';
import { openMatches, type SearchScope } from './open-matches.ts';
import { isRendered } from './rendered-id.ts';
import { BATCH, readIds, type Page, type RunnablePlan } from './search-page.ts';
import { searchRendered, type RenderedPage } from './search-rendered.ts';
import type { SearchDeps } from './search-request.ts';
import { shapesOf } from './search-shapes.ts';

/** Candidates up to which `_total=accurate` counts. */
const ACCURATE_EFFORT = 200_000;

/**
 * The total: free when all fits the page; else counted when it is asked for, `estimate` up to SEARCH_EXACT_TOTAL candidates
 * (beyond that omitted), `accurate` always, within reason.
 */
export async function totalOf(
  deps: SearchDeps,
  scope: SearchScope,
  plan: RunnablePlan,
  page: Page,
): Promise<number | undefined> {
  if (page.place === undefined) return page.matches.length;
  const { total } = scope.query;
  if (total === undefined || total === 'none') return undefined;
  const everything = Number.MAX_SAFE_INTEGER;
  const rendered = isRendered(scope.query.type)
    ? await searchRendered({ ...scope, deps }, undefined, everything)
    : NONE;
  if (rendered.place !== undefined) return tooCostly(total);
  const before = rendered.matches.length;
  if (plan.kind === 'ids') return before + (await readIds(scope, plan.ids, 0, everything)).matches.length;
  if (plan.kind === 'nothing') return before;
  const effort = total === 'accurate' ? ACCURATE_EFFORT : SEARCH_EXACT_TOTAL;
  const counted = await countScan(deps, scope, await shapesOf(deps.keyring, plan), effort);
  return counted === undefined ? tooCostly(total) : before + counted;
}

const NONE: RenderedPage = { matches: [], disclosed: [], place: undefined, refused: [] };

function tooCostly(total: 'estimate' | 'accurate'): undefined {
  if (total === 'estimate') return undefined;
  throw new GatewayError('too-costly', '_total: there is too much to count; narrow the search');
}

async function countScan(
  deps: SearchDeps,
  scope: SearchScope,
  shapes: readonly ScanShape[],
  effort: number,
): Promise<number | undefined> {
  const stream = candidateStream(deps.records, shapes, scope.size, undefined);
  let total = 0;
  for (let looked = 0; looked < effort; looked += BATCH) {
    const rows = await stream.next(BATCH);
    total += (await openMatches.byRows(scope, rows, new Set())).length;
    if (rows.length < BATCH) return total;
  }
  return undefined;
}
