/** One page of a search: by ids, by scans of the blind index, or from what is rendered and then from what is stored. */
import type { ResourceKey } from '../core/ids.ts';
import type { Plan } from '../search/plan.ts';
import { candidateStream, type ScanPlace, type ScanShape } from './candidate-stream.ts';
import { openMatches, type Match, type SearchScope } from './open-matches.ts';
import type { Cursor } from './search-cursor.ts';
import { RENDERED_END, searchRendered, type RenderedPage } from './search-rendered.ts';
import type { SearchDeps } from './search-request.ts';
import { shapesOf } from './search-shapes.ts';

/** A plan that was not refused. */
export type RunnablePlan = Exclude<Plan, { kind: 'refused' }>;

/** Candidates that one request looks at for one page; then the page is short and the next one goes on. */
const PAGE_EFFORT = 10_000;
/** Rows and ids that are opened at a time. */
export const BATCH = 100;

/** One page of a search, and what the audit trail must know of it. */
export interface Page {
  readonly matches: readonly Pick<Match, 'resource' | 'group'>[];
  /** The matches by patient. */
  readonly disclosed: readonly Match[];
  /** Where the next page begins; undefined when nothing is left. */
  readonly place: Cursor['place'] | undefined;
  /** Patients of whom something was denied. */
  readonly denied: ReadonlySet<ResourceKey>;
  /** Messages of which the caller may hear nothing. */
  readonly refused?: RenderedPage['refused'];
}

/** What is rendered from messages stands before what is stored. */
export async function withRendered(
  deps: SearchDeps,
  scope: SearchScope,
  plan: RunnablePlan,
  cursor: Cursor | undefined,
  count: number,
): Promise<Page> {
  const place = cursor?.place;
  if (place !== undefined && place.kind !== 'rendered') return runPlan(deps, scope, plan, cursor, count);
  const rendered = await searchRendered({ ...scope, deps }, place, count);
  if (rendered.place !== undefined) {
    return { ...rendered, place: { kind: 'rendered', ...rendered.place }, denied: new Set() };
  }
  const room = count - rendered.matches.length;
  // A full page looks one further, so that there is no empty page behind it.
  const stored = await runPlan(deps, scope, plan, undefined, Math.max(room, 1));
  const full = room === 0 && stored.matches.length > 0;
  return {
    matches: full ? rendered.matches : [...rendered.matches, ...stored.matches],
    disclosed: full ? rendered.disclosed : [...rendered.disclosed, ...stored.disclosed],
    place: full ? { kind: 'rendered', ...RENDERED_END } : stored.place,
    denied: stored.denied,
    refused: rendered.refused,
  };
}

/** One page by a plan, from where the cursor says. */
export async function runPlan(
  deps: SearchDeps,
  scope: SearchScope,
  plan: RunnablePlan,
  cursor: Cursor | undefined,
  count: number,
): Promise<Page> {
  if (plan.kind === 'nothing') return { matches: [], disclosed: [], place: undefined, denied: new Set() };
  if (plan.kind === 'ids') {
    return readIds(scope, plan.ids, cursor?.place.kind === 'ids' ? cursor.place.done : 0, count);
  }
  const shapes = await shapesOf(deps.keyring, plan);
  const place = cursor?.place.kind === 'scan' ? cursor.place : undefined;
  return readScan(deps, scope, shapes, place, count, PAGE_EFFORT);
}

/** Reads the ids of `_id` in their order. */
export async function readIds(scope: SearchScope, ids: readonly string[], from: number, count: number): Promise<Page> {
  const denied = new Set<ResourceKey>();
  const matches: Match[] = [];
  let done = from;
  while (done < ids.length && matches.length < count) {
    const slice = ids.slice(done, done + BATCH);
    const found = await openMatches.byIds(scope, slice, denied);
    for (const id of slice) {
      if (matches.length === count) break;
      done += 1;
      const match = found.get(id);
      if (match !== undefined) matches.push(match);
    }
  }
  return { matches, disclosed: matches, place: done < ids.length ? { kind: 'ids', done } : undefined, denied };
}

/** Scans until the page is full and one more match is known, the index ends, or the effort is spent. */
async function readScan(
  deps: SearchDeps,
  scope: SearchScope,
  shapes: readonly ScanShape[],
  place: ScanPlace | undefined,
  count: number,
  effort: number,
): Promise<Page> {
  const denied = new Set<ResourceKey>();
  const stream = candidateStream(deps.records, shapes, scope.size, place);
  const matches: Match[] = [];
  let looked = 0;
  let last: ScanPlace | undefined = place;
  for (;;) {
    const limit = Math.min(BATCH, Math.max(count + 1 - matches.length, 20));
    const rows = await stream.next(limit);
    for (const match of await openMatches.byRows(scope, rows, denied)) {
      if (matches.length === count) return { matches, disclosed: matches, place: placeOf(matches), denied };
      matches.push(match);
    }
    const end = rows.at(-1);
    if (end !== undefined) last = { sortTime: end.sortTime, group: end.group, line: 63 };
    looked += rows.length;
    if (rows.length < limit) return { matches, disclosed: matches, place: undefined, denied };
    if (looked >= effort && last !== undefined) {
      return { matches, disclosed: matches, place: { kind: 'scan', ...last }, denied };
    }
  }
}

function placeOf(matches: readonly Match[]): Cursor['place'] | undefined {
  const last = matches.at(-1)?.place;
  return last === undefined ? undefined : { kind: 'scan', ...last };
}
