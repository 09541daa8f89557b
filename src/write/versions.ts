/**
 * The next versions that a message makes: content with identity, validated, with the patient and the label set that decide
 * its lockbox; and what the access decision and the sender hear of them.
 */
import { GatewayError } from '../core/errors.ts';
import type { ResourceKey } from '../core/ids.ts';
import { INTERNAL_TYPES } from '../formats/fhir/internal-types.ts';
import type { Issue } from '../formats/fhir/validate.ts';
import { DIRECTORY_TYPES, parseReference, subjectOf } from '../formats/fhir/references.ts';
import { isTombstone, type StoredResource } from '../formats/fhir/resource.ts';
import { resourceKey, type IndexSecret } from '../keys/index-secret.ts';
import { labelSet, type LabelSet } from '../labels/label.ts';
import { labelsOf } from '../labels/labels-of.ts';
import type { Keyring } from './keyring.ts';
import type { Subjects } from './provenance-subject.ts';
import type { Target } from './target.ts';
import type { Result, Submission, WriteTarget } from './submission.ts';

const DIRECTORY_LABELS: LabelSet = labelSet(['DIRECTORY']);

export interface VersionDeps {
  readonly keyring: Keyring;
  /** R4 validation (`formats/fhir/validate`). */
  readonly validate: (resource: unknown) => readonly Issue[];
}

/** One new version, ready to be sealed. */
export interface Version {
  readonly target: Target;
  readonly resource: StoredResource;
  /** Key of the patient whose record it is; undefined for the directory. */
  readonly patient: ResourceKey | undefined;
  readonly labels: LabelSet;
}

/** Every patient that a version of this message may belong to: those known here, and those the message makes. */
export async function knownPatients(
  deps: Pick<VersionDeps, 'keyring'>,
  targets: readonly Target[],
  secret: IndexSecret,
): Promise<ReadonlyMap<string, ResourceKey>> {
  const ids = new Set<string>();
  for (const target of targets) {
    for (const content of [target.next, target.current]) {
      const subject = content === undefined ? undefined : subjectId({ ...content, id: target.id });
      if (subject !== undefined) ids.add(subject);
    }
  }
  const keys = new Map([...ids].map((id) => [id, resourceKey(secret, 'Patient', id)] as const));
  const made = new Set(targets.filter((target) => target.type === 'Patient').map((target) => target.key));
  const known = await deps.keyring.patientSecrets([...keys.values()].filter((key) => !made.has(key)));
  return new Map([...keys].filter(([, key]) => known.has(key) || made.has(key)));
}

/** Logical id of the patient that a resource belongs to; undefined when it names none. */
function subjectId(resource: StoredResource | (Target['next'] & { id: string })): string | undefined {
  const reference = subjectOf(resource);
  const parsed = reference === undefined ? undefined : parseReference(reference);
  return parsed?.local === true && parsed.type === 'Patient' ? parsed.id : undefined;
}

export function nextVersion(
  deps: Pick<VersionDeps, 'validate'>,
  submission: Submission,
  target: Target,
  now: string,
  patients: ReadonlyMap<string, ResourceKey>,
  subjects: Subjects,
): Version {
  const next = target.next ?? { resourceType: target.type };
  const { resourceType: _type, meta, ...content } = next;
  const resource: StoredResource = {
    resourceType: target.type,
    id: target.id,
    meta: { ...meta, versionId: String(target.version + 1), lastUpdated: now },
    ...content,
  };
  const gone = isTombstone(resource);
  if (submission.validate === true && !gone && !INTERNAL_TYPES.has(target.type)) refuseInvalid(deps.validate(resource));
  // A tombstone says nothing of its patient: it stays in the lockbox of the version that it ends.
  if (gone && target.lockbox !== undefined) {
    return { target, resource, patient: target.lockbox.patient, labels: target.lockbox.labels };
  }
  const patient = subjects.get(target) ?? patientOf(resource, patients);
  const before = target.current === undefined || isTombstone(target.current) ? undefined : target.lockbox;
  if (before !== undefined && before.patient !== patient && !target.moved) {
    throw new GatewayError('business-rule', 'the subject of an existing resource cannot change; it was left as it is', {
      expression: `${target.type}.subject`,
    });
  }
  return { target, resource, patient, labels: patient === undefined ? DIRECTORY_LABELS : labelsOf(resource) };
}

function refuseInvalid(issues: readonly Issue[]): void {
  const error = issues.find((issue) => issue.severity === 'error');
  if (error !== undefined) {
    throw new GatewayError('invalid-content', `${error.expression}: ${error.diagnostics}`, {
      expression: error.expression,
    });
  }
}

function patientOf(resource: StoredResource, patients: ReadonlyMap<string, ResourceKey>): ResourceKey | undefined {
  const id = subjectId(resource);
  if (id === undefined) {
    if (DIRECTORY_TYPES.has(resource.resourceType)) return undefined;
    throw new GatewayError('business-rule', `a ${resource.resourceType} needs a reference to its patient`, {
      expression: `${resource.resourceType}.subject`,
    });
  }
  const key = patients.get(id);
  if (key === undefined) {
    throw new GatewayError('business-rule', 'the patient that the resource refers to is not known here', {
      expression: `${resource.resourceType}.subject`,
    });
  }
  return key;
}

/** `version`: what the message makes of the target, if anything. */
export function writeTarget(target: Target, version: Version | undefined): WriteTarget {
  const gone = version !== undefined && isTombstone(version.resource);
  return {
    interaction: gone ? 'delete' : target.current === undefined || isTombstone(target.current) ? 'create' : 'update',
    type: target.type,
    id: target.id,
    patient: version === undefined ? target.lockbox?.patient : version.patient,
    labels: version?.labels ?? target.lockbox?.labels ?? DIRECTORY_LABELS,
    resource: gone ? undefined : (version?.resource ?? target.current),
    current: target.current,
    currentLabels: target.lockbox?.labels,
  };
}

/** `version`: what the message makes of the target, if anything. */
export function resultOf(target: Target, version: Version | undefined): Result {
  const resource = version?.resource ?? target.current;
  return {
    outcome: target.outcome,
    type: target.type,
    id: target.id,
    versionId: resource?.meta.versionId ?? '0',
    lastUpdated: resource?.meta.lastUpdated ?? '',
    resource: resource === undefined || isTombstone(resource) ? undefined : resource,
  };
}
