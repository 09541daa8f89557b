/**
 * From what the index or a list of ids proposes to resources that the caller may see and that really match: decide on each
 * lockbox once, open, apply the residual predicate, check that it is the current version as of the pinned size, re-check
 * the predicate.
 */
import type { Permit } from '../consent/permit.ts';
import { GatewayError } from '../core/errors.ts';
import { groupBy } from '../core/group-by.ts';
import type { GroupNumber, LeafIndex, ResourceKey } from '../core/ids.ts';
import type { Principal } from '../core/principal.ts';
import { isTombstone, type StoredResource } from '../formats/fhir/resource.ts';
import { resourceKey } from '../keys/index-secret.ts';
import type { Lockbox } from '../keys/lockbox.ts';
import { openCandidates, openLines } from '../record/open.ts';
import { matches } from '../search/matches.ts';
import type { SearchQuery } from '../search/query.ts';
import type { CandidateRow, ScanPlace } from './candidate-stream.ts';
import type { ReadDeps } from './open-version.ts';
import { linesOf } from './patient-consents.ts';

export interface SearchScope {
  readonly deps: ReadDeps;
  readonly principal: Principal;
  readonly query: SearchQuery;
  /** Leaves of the log that the search sees. */
  readonly size: number;
  /** As `SearchRequest.signal`. */
  readonly signal?: AbortSignal | undefined;
}

/** Ends a search that nobody waits for: a large one would go on for minutes, and a client that tries again would start another. */
export function endUnwanted({ signal }: Pick<SearchScope, 'signal'>): void {
  if (signal?.aborted === true) throw new GatewayError('timeout', 'nobody waits for this search any more');
}

export interface Match {
  readonly resource: StoredResource;
  readonly patient: ResourceKey | undefined;
  readonly group: GroupNumber;
  readonly permit: Permit;
  /** Where it stands in the order of a scan; undefined in a list of ids. */
  readonly place: ScanPlace | undefined;
}

interface Permitted {
  readonly lockbox: Lockbox;
  readonly permit: Permit;
}

/** The lockboxes that the caller may search, by leaf. Denied ones are missing; their patients go into `denied`. */
async function permitted(
  { deps, principal, query }: SearchScope,
  leaves: readonly LeafIndex[],
  denied: Set<ResourceKey>,
): Promise<ReadonlyMap<LeafIndex, Permitted>> {
  const boxes = [...(await deps.keyring.byLeaf(leaves))];
  const decisions = await deps.decider.decide(
    principal,
    boxes.map(([, { patient, labels }]) => ({ action: 'search', patient, labels, type: query.type })),
  );
  const found = new Map<LeafIndex, Permitted>();
  boxes.forEach(([leaf, lockbox], i) => {
    const decision = decisions[i];
    if (decision.kind === 'permit') found.set(leaf, { lockbox, permit: decision });
    else if (lockbox.patient !== undefined) denied.add(lockbox.patient);
  });
  return found;
}

/** Matches among index rows, in the order of the rows and, inside one, of the lines. */
async function byRows(
  scope: SearchScope,
  rows: readonly CandidateRow[],
  denied: Set<ResourceKey>,
): Promise<readonly Match[]> {
  endUnwanted(scope);
  if (rows.length === 0) return [];
  const { deps, query, size } = scope;
  const secret = deps.keyring.gatewaySecret;
  const allowed = await permitted(scope, [...new Set(rows.map(({ lockbox }) => lockbox))], denied);
  const found: (Match & { readonly key: ResourceKey; readonly line: number; readonly order: number })[] = [];
  const numbered = rows.map((row, order) => ({ ...row, order }));
  // One group stands in several rows when its lines have several times: it is unsealed once.
  for (const inGroup of groupBy(numbered, ({ group }) => group).values()) {
    const [{ lockbox: leaf, body, group }] = inGroup;
    const box = allowed.get(leaf);
    if (box === undefined) continue;
    const wanted = inGroup.flatMap(({ mask, sortTime, order }) =>
      linesOf(mask).map((line) => ({ line, sortTime, order })),
    );
    const opened = openCandidates(
      box.permit,
      box.lockbox,
      body,
      wanted.map(({ line }) => line),
    );
    wanted.forEach(({ line, sortTime, order }, i) => {
      const resource = opened[i];
      if (resource === undefined || isTombstone(resource) || !matches(resource, query)) return;
      const key = resourceKey(secret, resource.resourceType, resource.id);
      const place = { sortTime, group, line };
      found.push({ resource, patient: box.lockbox.patient, group, permit: box.permit, place, key, line, order });
    });
  }
  if (found.length === 0) return [];
  const current = await deps.records.places(
    found.map(({ key }) => key),
    size,
  );
  return found
    .filter(({ key, group, line, resource }) => {
      const row = current.get(key);
      if (row === undefined || row.group !== group || row.line !== line) return false;
      if (String(row.version) === resource.meta.versionId) return true;
      throw new GatewayError('integrity', 'a sealed line is not the version that its row names');
    })
    .toSorted((a, b) => a.order - b.order || a.line - b.line);
}

/** Matches among logical ids of the query's type, by id. */
async function byIds(
  scope: SearchScope,
  ids: readonly string[],
  denied: Set<ResourceKey>,
): Promise<ReadonlyMap<string, Match>> {
  endUnwanted(scope);
  const { deps, query, size } = scope;
  const secret = deps.keyring.gatewaySecret;
  const keys = ids.map((id) => resourceKey(secret, query.type, id));
  const rows = [...(await deps.records.current(keys, size)).values()];
  const allowed = await permitted(scope, [...new Set(rows.map(({ lockbox }) => lockbox))], denied);
  const found = new Map<string, Match>();
  for (const row of rows) {
    const box = allowed.get(row.lockbox);
    if (box === undefined) continue;
    const [resource] = openLines(box.permit, box.lockbox, row.body, [row], secret);
    if (resource === undefined || isTombstone(resource) || !matches(resource, query)) continue;
    const { patient } = box.lockbox;
    found.set(resource.id, { resource, patient, group: row.group, permit: box.permit, place: undefined });
  }
  return found;
}

export const openMatches = { byRows, byIds } as const;
