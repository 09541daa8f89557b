/**
 * A record stays in the chart that it was begun in: after a merge a source goes on under the surviving number, and what it says
 * of a visit or result of the other chart is a next version there, not a change of subject.
 */
import type { ResourceKey } from '../core/ids.ts';
import type { Change } from '../formats/fhir/change.ts';
import { mapReferences, subjectOf } from '../formats/fhir/references.ts';
import { isTombstone, type Resource } from '../formats/fhir/resource.ts';
import type { IndexSecret } from '../keys/index-secret.ts';
import { isLinked } from './link-chain.ts';
import { patientKey } from './patient-key.ts';
import type { PrepareStore } from './ports.ts';
import type { Target } from './target.ts';

interface Strayed {
  readonly target: Target;
  readonly next: Resource;
  /** The patient whose record it is, and the one that the message names: reference and key. */
  readonly from: string;
  readonly fromKey: ResourceKey;
  readonly to: string;
  readonly toKey: ResourceKey;
}

/** Gives targets that a message of a source would take to a linked patient their own patient back. Reads only where there are such. */
export async function keepCharts(
  store: Pick<PrepareStore, 'links'>,
  secret: IndexSecret,
  changes: readonly Change[],
  targets: readonly Target[],
): Promise<void> {
  const strayed = changes.flatMap((change, i) =>
    change.mode === 'merge' ? (strayedOf(secret, targets[i]) ?? []) : [],
  );
  if (strayed.length === 0) return;
  const links = await store.links([...new Set(strayed.map(({ fromKey }) => fromKey))]);
  for (const { target, next, from, fromKey, to, toKey } of strayed) {
    if (!isLinked(links, fromKey, toKey)) continue;
    target.next = { ...mapReferences(next, (reference) => (reference === to ? from : reference)) };
  }
}

function strayedOf(secret: IndexSecret, target: Target): Strayed | undefined {
  const { next, current, type } = target;
  if (next === undefined || current === undefined || type === 'Patient' || target.moved) return undefined;
  if (isTombstone(current) || isTombstone(next)) return undefined;
  const [from, to] = [subjectOf(current), subjectOf(next)];
  if (from === undefined || to === undefined || from === to) return undefined;
  const [fromKey, toKey] = [patientKey(secret, from), patientKey(secret, to)];
  return fromKey === undefined || toKey === undefined ? undefined : { target, next, from, fromKey, to, toKey };
}
