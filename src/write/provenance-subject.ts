/**
 * Whose record a Provenance is that names no patient itself: the one patient to whom the records that it is about belong, kept
 * here or made by the same message. Where these are of several patients, or of none, it cannot be kept.
 */
import { GatewayError } from '../core/errors.ts';
import type { ResourceKey } from '../core/ids.ts';
import { parseReference, subjectOf } from '../formats/fhir/references.ts';
import { isTombstone, type Resource } from '../formats/fhir/resource.ts';
import { resourceKey, type IndexSecret } from '../keys/index-secret.ts';
import type { Keyring } from './keyring.ts';
import type { PrepareStore, Resolved } from './ports.ts';
import type { Target } from './target.ts';

/** Patients found, by the Provenance of which nothing else tells whose it is. */
export type Subjects = ReadonlyMap<Target, ResourceKey>;

interface Deps {
  readonly store: Pick<PrepareStore, 'payloads'>;
  readonly keyring: Keyring;
}

/** Resources that a Provenance is about, when it names no patient; empty for everything else. */
export function namedByProvenance(secret: IndexSecret, resource: Resource): readonly ResourceKey[] {
  const { target } = resource;
  if (!namesNoPatient(resource) || !Array.isArray(target)) return [];
  return target.flatMap((entry: unknown) => {
    const parsed = isReference(entry) ? parseReference(entry.reference) : undefined;
    return parsed?.local === true ? [resourceKey(secret, parsed.type, parsed.id)] : [];
  });
}

function namesNoPatient(resource: Resource): boolean {
  return resource.resourceType === 'Provenance' && subjectOf(resource) === undefined;
}

function isReference(value: unknown): value is { readonly reference: string } {
  return typeof value === 'object' && value !== null && 'reference' in value && typeof value.reference === 'string';
}

/** Throws `business-rule` where a Provenance is not about records of exactly one patient. */
export async function provenanceSubjects(
  deps: Deps,
  targets: readonly Target[],
  resolved: Resolved,
): Promise<Subjects> {
  const secret = deps.keyring.gatewaySecret;
  const asked = targets.flatMap((target) => {
    const { next } = target;
    if (next === undefined || isTombstone(next) || !namesNoPatient(next)) return [];
    return [{ target, named: namedByProvenance(secret, next) }];
  });
  if (asked.length === 0) return new Map();
  const owners = await ownersOf(deps, [...new Set(asked.flatMap(({ named }) => named))], targets, resolved);
  return new Map(
    asked.map(({ target, named }) => {
      const [patient, ...others] = new Set(named.flatMap((key) => owners.get(key) ?? []));
      if (patient === undefined || others.length > 0) {
        const why =
          patient === undefined
            ? 'a Provenance needs a target that belongs to a patient: name the Patient among its targets'
            : 'the targets of a Provenance are records of several patients: send one for each';
        throw new GatewayError('business-rule', why, { expression: 'Provenance.target' });
      }
      return [target, patient];
    }),
  );
}

/** Patients of resources: from what this message makes of them, else from the lockbox in which they lie. */
async function ownersOf(
  deps: Deps,
  keys: readonly ResourceKey[],
  targets: readonly Target[],
  resolved: Resolved,
): Promise<ReadonlyMap<ResourceKey, ResourceKey>> {
  const owners = new Map<ResourceKey, ResourceKey>();
  for (const target of targets) {
    const owner = ownerOf(deps.keyring.gatewaySecret, target);
    if (owner !== undefined) owners.set(target.key, owner);
  }
  const heads = keys.flatMap((key) => (owners.has(key) ? [] : (resolved.heads.get(key) ?? [])));
  const payloads = await deps.store.payloads(heads.map(({ group }) => group));
  const boxes = await deps.keyring.byLeaf([...payloads.values()].map(({ lockbox }) => lockbox));
  for (const { resource, group } of heads) {
    const payload = payloads.get(group);
    const patient = payload && boxes.get(payload.lockbox)?.patient;
    if (patient !== undefined) owners.set(resource, patient);
  }
  return owners;
}

function ownerOf(secret: IndexSecret, { next, id, lockbox }: Target): ResourceKey | undefined {
  const reference = next === undefined ? undefined : subjectOf({ ...next, id });
  const parsed = reference === undefined ? undefined : parseReference(reference);
  return parsed?.local === true ? resourceKey(secret, parsed.type, parsed.id) : lockbox?.patient;
}
