/**
 * Search (DESIGN section 7): the blind index proposes, every candidate's lockbox is decided on, what is permitted is opened,
 * must be the version that was current at the pinned size of the log, and is checked against the real predicate. What is
 * denied leaves no trace. Recorded before it returns.
 */
import type { Clock } from '../core/clock.ts';
import { GatewayError, type InputIssue } from '../core/errors.ts';
import type { GroupNumber, ResourceKey } from '../core/ids.ts';
import { CURSOR_TTL_MS, SEARCH_EXACT_TOTAL, SEARCH_MAX_COUNT } from '../core/limits.ts';
import type { Principal } from '../core/principal.ts';
import type { Random } from '../core/random.ts';
import type { StoredResource } from '../formats/fhir/resource.ts';
import { resourceKey, searchToken, type IndexSecret } from '../keys/index-secret.ts';
import { isSearchable } from './capability.ts';
import { confine } from './confine-search.ts';
import { candidateStream, type ScanPlace, type ScanShape } from './candidate-stream.ts';
import { openMatches, type Match, type SearchScope } from './open-matches.ts';
import { recordSearch } from './record-search.ts';
import type { RenderDeps } from './render-message.ts';
import { isRendered } from './rendered-id.ts';
import { openCursor, sealCursor, type Cursor } from './search-cursor.ts';
import {
  namesRendered,
  recordRefusedMessages,
  RENDERED_END,
  searchRendered,
  type RenderedPage,
} from './search-rendered.ts';
import { planSearch, type Branch, type Plan } from '../search/plan.ts';
import { parseQuery, type QueryError, type SearchQuery } from '../search/query.ts';

export interface SearchDeps extends RenderDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** Largest `_count`; at most SEARCH_MAX_COUNT. */
  readonly maxCount: number;
}

export interface SearchRequest {
  readonly principal: Principal;
  readonly type: string;
  readonly parameters: readonly (readonly [string, string])[];
  /** Base URL of the FHIR endpoint: references that begin with it are local. */
  readonly base: string;
  readonly requestId: string;
}

export interface SearchPage {
  readonly matches: readonly { readonly resource: StoredResource; readonly group: GroupNumber }[];
  /** Exact, over what the caller may see; undefined when it was not counted. */
  readonly total: number | undefined;
  /** Token of the next page; undefined on the last one. */
  readonly next: string | undefined;
  /** The parameters of the search, those inside a paging token included. */
  readonly parameters: readonly (readonly [string, string])[];
}

/** Candidates that one request looks at for one page; then the page is short and the next one goes on. */
const PAGE_EFFORT = 10_000;
/** Candidates up to which `_total=accurate` counts. */
const ACCURATE_EFFORT = 200_000;
const BATCH = 100;

/** Throws `not-supported`, `invalid-syntax`, `too-costly`, `expired`, each naming the parameter where there is one. */
export async function searchResources(deps: SearchDeps, request: SearchRequest): Promise<SearchPage> {
  const { principal, type, base } = request;
  const begun = begin(deps, request);
  const { query } = parsed(parseQuery(type, confine(principal, type, begun.parameters), { baseUrl: base }));
  refuseUnnamed(type, query);
  const count = Math.min(begun.count ?? query.count, deps.maxCount, SEARCH_MAX_COUNT);
  const plan = planSearch(query);
  if (plan.kind === 'refused') throw new GatewayError(plan.code, plan.message);
  const size = begun.cursor?.size ?? (await deps.records.size());
  const scope: SearchScope = { deps, principal, query, size };
  const page = isRendered(type)
    ? await withRendered(deps, scope, plan, begun.cursor, count)
    : await runPlan(deps, scope, plan, begun.cursor, count);
  const total = begun.cursor === undefined ? await totalOf(deps, scope, plan, page) : begun.cursor.total;
  await recordSearch(deps, { ...request, parameters: begun.parameters }, plan, page.disclosed, page.denied);
  await recordRefusedMessages(deps, request, page.refused ?? []);
  const next =
    page.place === undefined
      ? undefined
      : sealCursor(
          deps.keyring.gatewaySecret,
          principal,
          { type, parameters: begun.parameters, count, size, place: page.place, total },
          deps.clock.now(),
          deps.random,
        );
  return { matches: page.matches, total, next, parameters: begun.parameters };
}

/** What is rendered from messages cannot be found by anything else: a search that left it out would be a wrong answer. */
function refuseUnnamed(type: string, query: SearchQuery): void {
  const unsearchable = query.criteria.some(({ parameter }) => !isSearchable(type, parameter.name));
  if (isRendered(type) && (unsearchable || !namesRendered(query))) {
    throw new GatewayError(
      'not-supported',
      `${type} resources are rendered from messages: search them by ${FOUND_BY[type] ?? '_id'}`,
    );
  }
}

const FOUND_BY: Readonly<Record<string, string>> = {
  Provenance: 'target, patient or _id; other parameters stand beside these',
  MessageHeader: 'focus or _id',
};

interface Begun {
  readonly parameters: readonly (readonly [string, string])[];
  readonly cursor: Cursor | undefined;
  readonly count: number | undefined;
}

/** A new search, or one that goes on: then the paging token holds all of it, and `_count` alone may stand beside it. */
function begin(deps: SearchDeps, { principal, type, parameters }: SearchRequest): Begun {
  const token = parameters.find(([name]) => name === '_cursor');
  if (token === undefined) return { parameters, cursor: undefined, count: undefined };
  if (parameters.length > 1) {
    throw new GatewayError('invalid-syntax', '_cursor: holds the whole search; no other parameter may stand beside it');
  }
  const cursor = openCursor(deps.keyring.gatewaySecret, principal, token[1], deps.clock.now());
  if (cursor.type !== type) throw new GatewayError('invalid-syntax', '_cursor: belongs to a search of another type');
  return { parameters: cursor.parameters, cursor, count: cursor.count };
}

function parsed(result: ReturnType<typeof parseQuery>): { readonly query: SearchQuery } {
  if ('query' in result) return result;
  const issues = result.errors.map(issueOf);
  const code = result.errors.some((error) => error.code === 'not-supported') ? 'not-supported' : 'invalid-syntax';
  throw new GatewayError(code, issues[0]?.diagnostics ?? 'the search cannot be read', { issues });
}

function issueOf({ code, parameter, message }: QueryError): InputIssue {
  return {
    severity: 'error',
    code: code === 'not-supported' ? 'not-supported' : 'invalid',
    expression: `http.${parameter}`,
    diagnostics: `${parameter}: ${message}`,
  };
}

interface Page {
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
async function withRendered(
  deps: SearchDeps,
  scope: SearchScope,
  plan: Exclude<Plan, { kind: 'refused' }>,
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

async function runPlan(
  deps: SearchDeps,
  scope: SearchScope,
  plan: Exclude<Plan, { kind: 'refused' }>,
  cursor: Cursor | undefined,
  count: number,
): Promise<Page> {
  if (plan.kind === 'nothing') return { matches: [], disclosed: [], place: undefined, denied: new Set() };
  if (plan.kind === 'ids') {
    return readIds(scope, plan.ids, cursor?.place.kind === 'ids' ? cursor.place.done : 0, count);
  }
  const shapes = await shapesOf(deps, plan);
  const place = cursor?.place.kind === 'scan' ? cursor.place : undefined;
  return readScan(deps, scope, shapes, place, count, PAGE_EFFORT);
}

/** Reads the ids of `_id` in their order. */
async function readIds(scope: SearchScope, ids: readonly string[], from: number, count: number): Promise<Page> {
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

/** One scan for each branch and patient. A patient that is not known here has none. */
async function shapesOf(deps: SearchDeps, plan: Extract<Plan, { kind: 'scan' }>): Promise<readonly ScanShape[]> {
  const { gatewaySecret } = deps.keyring;
  if (plan.patients === undefined) return plan.branches.map((branch) => shapeOf(branch, gatewaySecret, undefined));
  const keys = plan.patients.map((id) => resourceKey(gatewaySecret, 'Patient', id));
  const secrets = await deps.keyring.patientSecrets(keys);
  return [...secrets.values()].flatMap((secret) =>
    plan.branches.map((branch) => shapeOf(branch, gatewaySecret, secret)),
  );
}

/** Rank of the token sets that are worth a look-up for each row of the first one; the re-check sees to the others. */
const WORTH_JOINING = 4;

function shapeOf(branch: Branch, gateway: IndexSecret, patient: IndexSecret | undefined): ScanShape {
  const [first, ...rest] = branch.all;
  const sets = [first, ...rest.filter((set) => set.rank <= WORTH_JOINING)];
  const lists = sets.flatMap((set) => {
    const secret = set.secret === 'gateway' ? gateway : patient;
    return secret === undefined ? [] : [set.anyOf.map((parts) => searchToken(secret, parts))];
  });
  return {
    lists,
    ...(branch.from === undefined ? {} : { from: branch.from }),
    ...(branch.to === undefined ? {} : { to: branch.to - 1 }),
  };
}

/**
 * The total: free when all fits the page; else counted when it is asked for, `estimate` up to SEARCH_EXACT_TOTAL candidates
 * (beyond that omitted), `accurate` always, within reason.
 */
async function totalOf(
  deps: SearchDeps,
  scope: SearchScope,
  plan: Exclude<Plan, { kind: 'refused' }>,
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
  const counted = await countScan(deps, scope, await shapesOf(deps, plan), effort);
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

/** Seconds that a paging token is good for, for the documentation of the endpoint. */
export const CURSOR_SECONDS: number = CURSOR_TTL_MS / 1000;
