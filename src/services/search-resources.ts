/**
 * Search (DESIGN section 7): the blind index proposes, every candidate's lockbox is decided on, what is permitted is opened,
 * must be the version that was current at the pinned size of the log, and is checked against the real predicate. What is
 * denied leaves no trace. Recorded before it returns.
 */
import { codeTable } from '../core/code-table.ts';
import { GatewayError, type InputIssue } from '../core/errors.ts';
import { SEARCH_MAX_COUNT } from '../core/limits.ts';
import { planSearch } from '../search/plan.ts';
import { parseQuery, type QueryError, type SearchQuery } from '../search/query.ts';
import { isSearchable } from './capability.ts';
import { confine } from './confine-search.ts';
import type { SearchScope } from './open-matches.ts';
import { recordSearch } from './record-search.ts';
import { ownCharts, withLinkedPatients } from './linked-patients.ts';
import { isRendered } from './rendered-id.ts';
import { openCursor, sealCursor, type Cursor } from './search-cursor.ts';
import { runPlan, withRendered } from './search-page.ts';
import { namesRendered, recordRefusedMessages } from './search-rendered.ts';
import type { SearchDeps, SearchPage, SearchRequest } from './search-request.ts';
import { totalOf } from './search-total.ts';

/** Throws `not-supported`, `invalid-syntax`, `too-costly`, `expired`, each naming the parameter where there is one. */
export async function searchResources(deps: SearchDeps, request: SearchRequest): Promise<SearchPage> {
  const { principal, type, base } = request;
  const begun = begin(deps, request);
  const charts = type === 'Patient' ? await ownCharts(deps, principal) : [];
  const { query: asked } = parsed(
    parseQuery(type, confine(principal, type, begun.parameters, charts), { baseUrl: base }),
  );
  refuseUnnamed(type, asked);
  const count = Math.min(begun.count ?? asked.count, deps.maxCount, SEARCH_MAX_COUNT);
  const [query, size] = await Promise.all([
    withLinkedPatients(deps, asked, begun.cursor?.size),
    begun.cursor?.size ?? deps.records.size(),
  ]);
  const plan = planSearch(query);
  if (plan.kind === 'refused') throw new GatewayError(plan.code, plan.message);
  const scope: SearchScope = { deps, principal, query, size, signal: request.signal };
  const page = isRendered(type)
    ? await withRendered(deps, scope, plan, begun.cursor, count)
    : await runPlan(deps, scope, plan, begun.cursor, count);
  const total = begun.cursor === undefined ? await totalOf(deps, scope, plan, page) : begun.cursor.total;
  await recordSearch(
    deps,
    { ...request, parameters: begun.parameters },
    { plan, named: planSearch(asked) },
    page.disclosed,
    page.denied,
  );
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

const FOUND_BY: Readonly<Record<string, string>> = codeTable({
  Provenance: 'target, patient or _id; other parameters stand beside these',
  MessageHeader: 'focus or _id',
});

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
