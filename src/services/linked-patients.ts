/**
 * Searches by patient go over all charts of the person (DESIGN section 6, merge): a criterion that names a patient also holds for
 * those who are linked with it.
 */
import type { ResourceKey } from '../core/ids.ts';
import type { Principal } from '../core/principal.ts';
import { resourceKey } from '../keys/index-secret.ts';
import type { Criterion, Operand, SearchQuery } from '../search/query.ts';
import type { ReadDeps } from './open-version.ts';

type LinkDeps = Pick<ReadDeps, 'records' | 'keyring' | 'patients'>;

/**
 * The query with linked patients beside those that it names, as the links stand at `size` (now, when undefined). `Patient` itself is
 * searched as it is: each chart is a Patient with its own content.
 */
export async function withLinkedPatients(
  deps: LinkDeps,
  query: SearchQuery,
  size: number | undefined,
): Promise<SearchQuery> {
  if (query.type === 'Patient') return query;
  const named = query.criteria.flatMap((criterion) =>
    criterion.anyOf.flatMap((operand) => namedIn(criterion, operand) ?? []),
  );
  if (named.length === 0) return query;
  const others = await othersOf(deps, [...new Set(named)], size);
  if (others.size === 0) return query;
  const criteria = query.criteria.map((criterion): Criterion => {
    const anyOf = criterion.anyOf.flatMap((operand): readonly Operand[] => {
      const linked = others.get(namedIn(criterion, operand) ?? '') ?? [];
      return [
        operand,
        ...linked.map((id) => ({ kind: 'reference', type: 'Patient', id, text: `Patient/${id}` }) as const),
      ];
    });
    return { ...criterion, anyOf };
  });
  return { ...query, criteria };
}

/** Ids of the other charts of the patient that a token is bound to. */
export async function ownCharts(deps: LinkDeps, { patient }: Principal): Promise<readonly string[]> {
  return patient === undefined ? [] : ((await othersOf(deps, [patient], undefined)).get(patient) ?? []);
}

/** Logical id of the Patient that an operand names. */
function namedIn({ support }: Criterion, operand: Operand): string | undefined {
  if (operand.kind !== 'reference') return undefined;
  const type = operand.type ?? (support === 'patient' ? 'Patient' : undefined);
  return type === 'Patient' ? operand.id : undefined;
}

/** Ids of the patients linked with each; those without any are missing. */
async function othersOf(
  deps: LinkDeps,
  ids: readonly string[],
  size: number | undefined,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const keys = new Map(ids.map((id) => [id, resourceKey(deps.keyring.gatewaySecret, 'Patient', id)] as const));
  const charts = await deps.records.charts([...keys.values()], size);
  const found = new Map<string, readonly string[]>();
  for (const [id, key] of keys) {
    const others = (charts.get(key) ?? []).map(({ patient }) => patient).filter((patient) => patient !== key);
    if (others.length > 0) found.set(id, await idsOf(deps, others));
  }
  return found;
}

async function idsOf(deps: LinkDeps, keys: readonly ResourceKey[]): Promise<readonly string[]> {
  const ids = await Promise.all(keys.map((key) => deps.patients.idOf(key)));
  return ids.filter((id) => id !== undefined);
}
