/**
 * Provenance and MessageHeader of a message, rendered from its manifest (DESIGN section 6): never stored, listing only what
 * the caller may see of what the message made. Their ids come from the manifest's leaf, so that they never change.
 */
import { parseMessageDetails } from '../audit/message-details.ts';
import { renderMessageHeader } from '../audit/message-header.ts';
import { renderProvenance } from '../audit/provenance.ts';
import type { Permit } from '../consent/permit.ts';
import { groupNumber, leafOfGroup, type GroupNumber, type LeafIndex, type ResourceKey } from '../core/ids.ts';
import type { Principal } from '../core/principal.ts';
import { isTombstone, type StoredResource } from '../formats/fhir/resource.ts';
import { resourceKey } from '../keys/index-secret.ts';
import { parseDocument } from '../record/document.ts';
import { openWhole } from '../record/open.ts';
import { matches } from '../search/matches.ts';
import type { SearchQuery } from '../search/query.ts';
import { openManifest } from '../write/writer.ts';
import type { PrepareStore } from '../write/ports.ts';
import type { ReadDeps } from './open-version.ts';

export interface RenderDeps extends ReadDeps {
  readonly messages: PrepareStore;
  /** Name of this gateway. */
  readonly origin: string;
}

/** The parameter by which each rendered type is searched: what the message made. */
export const RENDERED_BY: Readonly<Record<string, string>> = { Provenance: 'target', MessageHeader: 'focus' };

const RENDERED_ID = /^m-(0|[1-9]\d{0,11})$/;
/** Versions of a target whose messages are looked at. */
const VERSIONS = 50;

/** Leaf of the manifest behind an id of a rendered resource; undefined for ids of stored ones. */
export function leafOfRenderedId(type: string, id: string): LeafIndex | undefined {
  const match = Object.hasOwn(RENDERED_BY, type) ? RENDERED_ID.exec(id) : null;
  return match === null ? undefined : (Number(match[1]) as LeafIndex);
}

export interface Rendered {
  readonly resource: StoredResource;
  /** Place of the first payload of the message: its leaf anchors what is said here. */
  readonly group: GroupNumber;
  /** One permit a patient, by which what the message made could be listed; the key is undefined for the directory. */
  readonly permits: ReadonlyMap<ResourceKey | undefined, Permit>;
}

/** Undefined when there is no such message, or the caller may see nothing that it made. Records nothing. */
export async function renderMessage(
  deps: RenderDeps,
  principal: Principal,
  type: string,
  leaf: LeafIndex,
): Promise<Rendered | undefined> {
  const bytes = await deps.messages.document(leaf);
  if (bytes === undefined || parseDocument(bytes).typ !== 'manifest') return undefined;
  const manifest = await openManifest({ store: deps.messages, keyring: deps.keyring }, leaf);
  const groups = manifest.groups.map((ordinal) => groupNumber(leaf, ordinal));
  const payloads = [...(await deps.messages.payloads(groups)).values()];
  const boxes = await deps.keyring.byLeaf(payloads.map(({ lockbox }) => lockbox));
  const places = payloads.flatMap(({ lockbox, body }) => {
    const box = boxes.get(lockbox);
    return box === undefined ? [] : [{ box, body }];
  });
  // Twice: the rendered type must be permitted itself, and each resource that it would name by what that one is.
  const ask = (asked: string | undefined) =>
    deps.decider.decide(
      principal,
      places.map(({ box: { patient, labels } }) => ({ action: 'read', patient, labels, type: asked })),
    );
  const [decisions, ofType] = await Promise.all([ask(undefined), ask(type)]);
  const permits = new Map<ResourceKey | undefined, Permit>();
  const produced: string[] = [];
  places.forEach(({ box, body }, i) => {
    const decision = decisions[i];
    if (decision.kind === 'denial' || ofType[i].kind === 'denial') return;
    const seen = openWhole(decision, box, body).filter(isServedOver);
    if (seen.length === 0) return;
    permits.set(box.patient, decision);
    produced.push(...seen.map((one) => `${one.resourceType}/${one.id}/_history/${one.meta.versionId}`));
  });
  if (produced.length === 0) return undefined;
  const { kind, source, at, details } = manifest;
  const message = kind === 'hl7v2' ? parseMessageDetails(details) : undefined;
  const facts = { id: `m-${leaf}`, origin: deps.origin, leaf, kind, source, receivedAt: at, message, produced };
  const resource = type === 'Provenance' ? renderProvenance(facts) : renderMessageHeader(facts);
  return resource === undefined ? undefined : { resource, group: groupNumber(leaf, 0), permits };
}

/** Internal records are never served, nor named. */
function isServedOver(resource: StoredResource): boolean {
  return resource.resourceType !== 'DicomInstance' && !isTombstone(resource);
}

/** Rendered resources that a search by `_id` or by what the message made finds, newest first. */
export async function findRendered(
  deps: RenderDeps,
  principal: Principal,
  query: SearchQuery,
): Promise<readonly Rendered[]> {
  const { type } = query;
  if (!Object.hasOwn(RENDERED_BY, type)) return [];
  const leaves = new Set<LeafIndex>();
  for (const id of query.ids ?? []) {
    const leaf = leafOfRenderedId(type, id);
    if (leaf !== undefined) leaves.add(leaf);
  }
  for (const { parameter, anyOf } of query.ids === undefined ? query.criteria : []) {
    if (parameter.name !== RENDERED_BY[type]) continue;
    for (const operand of anyOf) {
      if (operand.kind !== 'reference' || operand.type === undefined || operand.id === undefined) continue;
      const key = resourceKey(deps.keyring.gatewaySecret, operand.type, operand.id);
      const versions = await deps.records.history(key, 2 ** 31 - 1, VERSIONS);
      for (const { group } of versions) leaves.add(leafOfGroup(group));
    }
  }
  const rendered = await Promise.all(
    [...leaves].toSorted((a, b) => b - a).map((leaf) => renderMessage(deps, principal, type, leaf)),
  );
  return rendered.filter((one) => one !== undefined).filter(({ resource }) => matches(resource, query));
}
