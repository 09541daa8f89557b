/**
 * Searches among what is rendered from manifests: by `_id`, or by what the messages made (Provenance `target` and `patient`,
 * MessageHeader `focus`). Candidates are the messages behind every version of what is named, newest first, without the index;
 * every one is decided on, rendered, and compared with the real predicate.
 */
import { codeTable } from '../core/code-table.ts';
import { GatewayError } from '../core/errors.ts';
import type { LeafIndex, ResourceKey } from '../core/ids.ts';
import type { StoredResource } from '../formats/fhir/resource.ts';
import { resourceKey } from '../keys/index-secret.ts';
import { matches } from '../search/matches.ts';
import type { Criterion, SearchQuery } from '../search/query.ts';
import { endUnwanted, type Match, type SearchScope } from './open-matches.ts';
import type { Access } from './record-access.ts';
import { renderMessage, type Hearing, type RenderDeps } from './render-message.ts';
import { leafOfRenderedId } from './rendered-id.ts';
import type { SearchRequest } from './search-request.ts';

/** Where a page of rendered resources ended: resources of `leaf` from the `part`-th on are left, and those of leaves below. */
export interface RenderedPlace {
  readonly leaf: number;
  readonly part: number;
}

/** Behind the last rendered resource. */
export const RENDERED_END: RenderedPlace = { leaf: 0, part: 0 };

export interface RenderedPage {
  /** Newest message first. */
  readonly matches: readonly Pick<Match, 'resource' | 'group'>[];
  /** The same by patient, for the audit trail. */
  readonly disclosed: readonly Match[];
  /** Undefined when nothing is left. */
  readonly place: RenderedPlace | undefined;
  /** Messages that the caller may see nothing of. */
  readonly refused: readonly Refused[];
}

interface Refused {
  readonly leaf: LeafIndex;
  readonly refusals: Extract<Hearing, { kind: 'refused' }>['refusals'];
}

/** Parameters by which each rendered type is found. */
const NAMED_BY: Readonly<Record<string, readonly string[]>> = codeTable({
  Provenance: ['target', 'patient'],
  MessageHeader: ['focus'],
});

/** Messages that one request looks at; then the page is short and the next one goes on. */
const EFFORT = 1_000;
const BATCH = 10;

/** True when the search names, by `_id` or by what messages made, what it is about: others would miss what is not stored. */
export function namesRendered(query: SearchQuery): boolean {
  return query.ids !== undefined || query.criteria.some((criterion) => isNaming(query.type, criterion));
}

function isNaming(type: string, { parameter, missing }: Criterion): boolean {
  return missing === undefined && (NAMED_BY[type] ?? []).includes(parameter.name);
}

/** At most `limit` resources from a place on. Throws `invalid-syntax` for a reference without a type. */
export async function searchRendered(
  scope: SearchScope & { readonly deps: RenderDeps },
  from: RenderedPlace | undefined,
  limit: number,
): Promise<RenderedPage> {
  const { deps, principal, query, size } = scope;
  const asked = { principal, action: 'search', type: query.type } as const;
  const next = candidates(scope, from === undefined ? size : Math.min(size, from.leaf + 1));
  const found: Match[][] = [];
  const refused: Refused[] = [];
  const page = (place: RenderedPlace | undefined): RenderedPage => {
    return { matches: found.map(([first]) => first), disclosed: found.flat(), place, refused };
  };
  for (let looked = 0; ;) {
    endUnwanted(scope);
    const leaves = await next();
    const heard = await Promise.all(leaves.map((leaf) => renderMessage(deps, asked, leaf)));
    for (const [i, hearing] of heard.entries()) {
      const leaf = leaves[i];
      if (hearing.kind === 'refused') refused.push({ leaf, refusals: hearing.refusals });
      if (hearing.kind !== 'heard') continue;
      const skip = from !== undefined && leaf === from.leaf ? from.part : 0;
      for (const [part, resource] of hearing.resources.entries()) {
        if (part < skip || !matches(resource, query)) continue;
        if (found.length === limit) return page({ leaf, part });
        found.push(byPatient(hearing, resource));
      }
    }
    const last = leaves.at(-1);
    if (last === undefined) return page(undefined);
    looked += leaves.length;
    if (looked >= EFFORT) return page({ leaf: last, part: Number.MAX_SAFE_INTEGER });
  }
}

function byPatient({ permits, group }: Extract<Hearing, { kind: 'heard' }>, resource: StoredResource): Match[] {
  return [...permits].map(([patient, permit]) => ({ resource, group, patient, permit, place: undefined }));
}

/** Leaves that may match, descending, some at a time; empty at the end. */
function candidates(
  { deps, query }: SearchScope & { readonly deps: RenderDeps },
  below: number,
): () => Promise<readonly LeafIndex[]> {
  let bound = below;
  const advance = (leaves: readonly LeafIndex[]): readonly LeafIndex[] => {
    bound = leaves.at(-1) ?? bound;
    return leaves;
  };
  if (query.ids !== undefined) {
    const leaves = query.ids.flatMap((id) => leafOfRenderedId(query.type, id) ?? []);
    const ordered = [...new Set(leaves)].toSorted((a, b) => b - a);
    return async () => advance(ordered.filter((leaf) => leaf < bound).slice(0, BATCH));
  }
  const naming = query.criteria.find((criterion) => isNaming(query.type, criterion));
  const keys = naming === undefined ? [] : namedResources(deps, naming);
  return async () => advance(await deps.messages.leavesOf(keys, bound, BATCH));
}

function namedResources(deps: RenderDeps, { parameter, anyOf }: Criterion): readonly ResourceKey[] {
  return anyOf.flatMap((operand) => {
    if (operand.kind !== 'reference' || operand.id === undefined) return [];
    const type = operand.type ?? (parameter.name === 'patient' ? 'Patient' : undefined);
    if (type === undefined) {
      throw new GatewayError('invalid-syntax', `${parameter.name}: needs the type too, as in Observation/1`);
    }
    return [resourceKey(deps.keyring.gatewaySecret, type, operand.id)];
  });
}

/** One event for each patient of whom something was asked for and nothing may be seen. Resolves when they are durable. */
export async function recordRefusedMessages(
  deps: RenderDeps,
  { principal, type, requestId }: SearchRequest,
  refused: readonly Refused[],
): Promise<void> {
  const events = new Map<ResourceKey | undefined, Access & { readonly references: string[] }>();
  for (const { leaf, refusals } of refused) {
    for (const [patient, { reasons }] of refusals) {
      const known = events.get(patient);
      if (known !== undefined) known.references.push(`${type}/m-${leaf}`);
      else {
        const references = [`${type}/m-${leaf}`];
        const common = { principal, interaction: 'search-type', outcome: 'denied', requestId } as const;
        events.set(patient, { ...common, patient, references, reasons, count: 0 });
      }
    }
  }
  await Promise.all([...events.values()].map((event) => deps.recorder.record(event)));
}
