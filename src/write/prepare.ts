/**
 * Prepares one message for the group commit (DESIGN section 3): resolve, apply, validate, label, decide, seal, index.
 * Optimistic: it reads what is committed and locks nothing; the commit checks that all of it still stands.
 */
import { GatewayError } from '../core/errors.ts';
import { groupBy } from '../core/group-by.ts';
import { groupNumber, type AliasHash, type LeafIndex, type ResourceKey } from '../core/ids.ts';
import { GROUP_MAX_BYTES, GROUP_MAX_LINES, GROUP_PADDING_STEP } from '../core/limits.ts';
import type { Clock } from '../core/clock.ts';
import type { Issue } from '../formats/fhir/validate.ts';
import { stringifyFhirJson } from '../formats/fhir/json.ts';
import { DIRECTORY_TYPES, parseReference, subjectOf } from '../formats/fhir/references.ts';
import { isTombstone, type StoredResource } from '../formats/fhir/resource.ts';
import { aliasHash, messageKey, resourceKey, sourceNumber, type IndexSecret } from '../keys/index-secret.ts';
import { labelSet, type LabelSet } from '../labels/label.ts';
import { labelsOf } from '../labels/labels-of.ts';
import { encodeManifest, type ManifestContent } from '../record/manifest.ts';
import { Draft, type DraftDeps } from './draft.ts';
import type { Keyring } from './keyring.ts';
import type { CommitItem, MessageKey, PrepareStore, Resolved } from './ports.ts';
import { aliasHashes, findTargets, type Target } from './target.ts';
import { patientTokens, TokenRows, type Keyed } from './token-rows.ts';
import type { Accepted, Result, Submission, WriteTarget } from './submission.ts';

const DAY_MS = 86_400_000;
/** Plaintext bytes of one raw payload; longer messages take several. */
const RAW_PART_BYTES = 240_000;
const GROUP_BYTES = GROUP_MAX_BYTES - GROUP_PADDING_STEP - 1;

export const MANIFEST_LABELS: LabelSet = labelSet(['MANIFEST']);
const DIRECTORY_LABELS: LabelSet = labelSet(['DIRECTORY']);
const RAW_LABELS: LabelSet = labelSet(['RAW']);

export interface PrepareDeps extends DraftDeps {
  readonly store: PrepareStore;
  readonly clock: Clock;
  readonly validate: (resource: unknown) => readonly Issue[];
}

export interface Prepared {
  readonly item: CommitItem;
  /** After the commit: enters new keys into the caches and says what became of each change. */
  complete(firstLeaf: number): Accepted;
}

/** A resend: the leaf of the manifest that has the stored answer. */
export interface Replay {
  readonly replayOf: LeafIndex;
}

interface Patient {
  readonly key: ResourceKey;
  readonly id: string;
}

/** One new version, ready to be sealed. */
interface Version {
  readonly target: Target;
  readonly resource: StoredResource;
  readonly patient: Patient | undefined;
  readonly labels: LabelSet;
}

/** Throws GatewayError for what cannot be taken; nothing was written then. */
export async function prepare(deps: PrepareDeps, submission: Submission): Promise<Prepared | Replay> {
  const { keyring, store } = deps;
  const secret = keyring.gatewaySecret;
  const message = keyOfMessage(secret, submission);
  const hashes = aliasHashes(keyring, submission.changes);
  const about = (submission.about ?? []).map((key) => aliasHash(secret, 'Patient', key));
  const source = sourceNumber(secret, submission.source);
  const [resolved, replay] = await Promise.all([
    store.resolve([...new Set([...hashes.flat(), ...about])], explicitKeys(secret, submission), source),
    message === undefined ? undefined : findReplay(store, message, submission.uniqueControl === true),
  ]);
  if (replay !== undefined) return { replayOf: replay };

  const targets = await findTargets(deps, submission.changes, hashes, resolved, submission.receivedAt);
  const distinct = [...new Set(targets)];
  const written = distinct.filter((target) => target.next !== undefined);
  const now = new Date(deps.clock.now()).toISOString();
  const patients = await knownPatients(deps, targets, secret);
  const versions = written.map((target) => nextVersion(deps, submission, target, now, patients));
  await submission.authorize?.(distinct.map((target) => writeTarget(target, versions, secret)));

  const owner = ownerOf(versions, targets, about, resolved, secret);
  const rawEpoch = owner === undefined ? Math.floor(submission.receivedAt / DAY_MS) : 0;
  // A patient whom this message makes has no keys yet; if another message is faster, the commit will notice.
  const fresh = new Set(
    distinct.flatMap((target) => (target.type === 'Patient' && target.version === 0 ? [target.key] : [])),
  );
  const boxed = versions.filter(({ patient }) => patient === undefined || !fresh.has(patient.key));
  const slots = [
    keyring.slot(undefined, MANIFEST_LABELS, 0),
    ...(submission.raw === undefined || (owner !== undefined && fresh.has(owner))
      ? []
      : [keyring.slot(owner, RAW_LABELS, rawEpoch)]),
    ...boxed.map((version) => keyring.slot(version.patient?.key, version.labels, 0)),
  ];
  const draft = new Draft(deps, await keyring.bySlot(slots));
  const keyed = await keyedPatients(deps, draft, versions, fresh);
  for (const target of distinct) for (const hash of target.newAliases) draft.addAlias(hash, target.key);
  if (submission.uniqueControl === true && message !== undefined) {
    // Claimed like a business key: of two messages that race for it one loses, is prepared again and finds the other.
    const claim = [submission.source, submission.control ?? ''];
    draft.addAlias(aliasHash(secret, 'Message', claim), resourceKey(secret, 'Message', claim.join('\u0000')));
  }
  const groups = await sealVersions(draft, keyring, source, versions, keyed);
  const places = new Map<Target, { payload: number }>(
    groups.flatMap((group) => group.targets.map((target) => [target, { payload: group.payload }] as const)),
  );
  if (submission.raw !== undefined) {
    const { bytes, contentType } = submission.raw;
    for (let from = 0; from === 0 || from < bytes.length; from += RAW_PART_BYTES) {
      await draft.addPayload(owner, RAW_LABELS, rawEpoch, contentType, bytes.subarray(from, from + RAW_PART_BYTES));
    }
  }
  for (const blob of submission.blobs ?? []) draft.addBlob(blob.digest, blob.size);

  const results = targets.map((target) => resultOf(target, versions));
  const answer = submission.answer?.(results);
  const content: ManifestContent = {
    kind: submission.kind,
    source: submission.source,
    at: submission.receivedAt,
    time: submission.sourceTime,
    ...(message === undefined ? {} : { message: [message.control, message.digest, message.thread ?? null] as const }),
    lockboxes: draft.lockboxes,
    ...(submission.raw === undefined ? {} : { raw: submission.raw.bytes.length }),
    groups: groups.map((group) => group.payload),
    ...timesOf(draft.item, submission.sourceTime),
    ...(draft.item.aliases.length === 0
      ? {}
      : { aliases: draft.item.aliases.map(({ hash, resource }) => [hash, resource] as const) }),
    ...(answer === undefined ? {} : { answer }),
    details: submission.details,
  };
  draft.item.message = message;
  const item = await draft.finish('manifest', MANIFEST_LABELS, encodeManifest(content));
  return {
    item,
    complete(firstLeaf) {
      draft.learn(firstLeaf);
      const leaf = (firstLeaf + item.manifest) as LeafIndex;
      return {
        leaf,
        replayed: false,
        answer,
        results: results.map((result, i) => {
          const place = places.get(targets[i]);
          return place === undefined ? result : { ...result, group: groupNumber(leaf, place.payload) };
        }),
      };
    },
  };
}

function keyOfMessage(secret: IndexSecret, submission: Submission): MessageKey | undefined {
  if (submission.control === undefined) return undefined;
  const content = submission.content ?? submission.raw?.bytes ?? Buffer.alloc(0);
  const key = messageKey(secret, submission.source, submission.control, content);
  const thread =
    submission.thread === undefined ? undefined : resourceKey(secret, 'thread', submission.thread.join('\u0000'));
  return { ...key, thread };
}

async function findReplay(store: PrepareStore, message: MessageKey, unique: boolean): Promise<LeafIndex | undefined> {
  const earlier = await store.findMessages(message.control);
  const same = earlier.find((known) => known.digest === message.digest);
  if (same === undefined && unique && earlier.length > 0) {
    throw new GatewayError('conflict', 'an object with this identifier but other content was stored before');
  }
  return same?.leaf;
}

/** Resources that changes name by id: their own, for a FHIR write. */
function explicitKeys(secret: IndexSecret, submission: Submission): ResourceKey[] {
  return submission.changes.flatMap((change) =>
    change.mode !== 'merge' && change.id !== undefined ? [resourceKey(secret, change.type, change.id)] : [],
  );
}

/** Every patient that a version of this message may belong to: those known here, and those the message makes. */
async function knownPatients(
  deps: PrepareDeps,
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

function nextVersion(
  deps: PrepareDeps,
  submission: Submission,
  target: Target,
  now: string,
  patients: ReadonlyMap<string, ResourceKey>,
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
  if (submission.validate === true && !gone) refuseInvalid(deps.validate(resource));
  // A tombstone says nothing of its patient: it stays in the lockbox of the version that it ends.
  if (gone && target.lockbox !== undefined && target.current !== undefined) {
    const id = subjectId(target.current);
    const key = target.lockbox.patient;
    return {
      target,
      resource,
      patient: key === undefined || id === undefined ? undefined : { key, id },
      labels: target.lockbox.labels,
    };
  }
  const patient = patientOf(resource, patients);
  const before = target.current === undefined || isTombstone(target.current) ? undefined : target.lockbox;
  if (before !== undefined && before.patient !== patient?.key) {
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

function patientOf(resource: StoredResource, patients: ReadonlyMap<string, ResourceKey>): Patient | undefined {
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
  return { key, id };
}

function writeTarget(target: Target, versions: readonly Version[], secret: IndexSecret): WriteTarget {
  const version = versions.find((candidate) => candidate.target === target);
  const currentId = target.current === undefined ? undefined : subjectId(target.current);
  const unchanged =
    currentId === undefined ? undefined : { key: resourceKey(secret, 'Patient', currentId), id: currentId };
  const gone = version !== undefined && isTombstone(version.resource);
  return {
    interaction: gone ? 'delete' : target.current === undefined || isTombstone(target.current) ? 'create' : 'update',
    type: target.type,
    id: target.id,
    patient: version === undefined ? unchanged : version.patient,
    labels: version?.labels ?? target.lockbox?.labels ?? DIRECTORY_LABELS,
    resource: gone ? undefined : (version?.resource ?? target.current),
    current: target.current,
    currentLabels: target.lockbox?.labels,
  };
}

/** The patient whose message it is: of the first version that has one, else of the resources it is about. */
function ownerOf(
  versions: readonly Version[],
  targets: readonly Target[],
  about: readonly AliasHash[],
  resolved: Resolved,
  secret: IndexSecret,
): ResourceKey | undefined {
  const first = versions.find((version) => version.patient !== undefined)?.patient?.key;
  if (first !== undefined) return first;
  const patient = targets.find((target) => target.type === 'Patient');
  if (patient !== undefined) return patient.key;
  for (const hash of about) {
    const key = resolved.aliases.get(hash);
    if (key !== undefined) return key;
  }
  const other = targets.find(
    (target) => target.current !== undefined && subjectId(target.current) !== undefined,
  )?.current;
  const id = other && subjectId(other);
  return id === undefined ? undefined : resourceKey(secret, 'Patient', id);
}

/** Tokens under the secrets of the patients of this message; new patients get a secret now. */
async function keyedPatients(
  deps: PrepareDeps,
  draft: Draft,
  versions: readonly Version[],
  fresh: ReadonlySet<ResourceKey>,
): Promise<ReadonlyMap<ResourceKey, Keyed>> {
  const keys = [
    ...new Set(versions.flatMap((version) => (version.patient === undefined ? [] : [version.patient.key]))),
  ];
  const known = await deps.keyring.patientSecrets(keys.filter((key) => !fresh.has(key)));
  const keyed = new Map<ResourceKey, Keyed>();
  for (const key of keys) keyed.set(key, patientTokens(known.get(key) ?? (await draft.addPatient(key))));
  for (const { target, patient } of versions) {
    if (target.type === 'Consent' && patient !== undefined) draft.item.consentPatients.push(patient.key);
  }
  return keyed;
}

interface SealedVersions {
  readonly payload: number;
  readonly targets: readonly Target[];
}

/** Seals versions in groups of one lockbox each, and enters their record and token rows. */
async function sealVersions(
  draft: Draft,
  keyring: Keyring,
  source: number,
  versions: readonly Version[],
  keyed: ReadonlyMap<ResourceKey, Keyed>,
): Promise<SealedVersions[]> {
  const byLockbox = groupBy(versions, (version) => `${version.patient?.key ?? ''} ${version.labels}`);
  const sealed: SealedVersions[] = [];
  for (const inLockbox of byLockbox.values()) {
    for (const group of splitGroups(inLockbox)) {
      const { patient, labels } = group[0].version;
      const plaintext = Buffer.from(`${group.map(({ line }) => line).join('\n')}\n`);
      const payload = await draft.addPayload(patient?.key, labels, 0, 'application/fhir+ndjson', plaintext);
      const tokens = new TokenRows();
      group.forEach(({ version: { target, resource } }, line) => {
        draft.item.records.push({
          resource: target.key,
          version: target.version + 1,
          payload,
          line,
          source,
          sourceTime: target.sourceTime,
        });
        if (isTombstone(resource)) return;
        tokens.addResource(resource, line, keyring.gatewayToken, patient && keyed.get(patient.key));
      });
      for (const row of tokens.rows(payload)) draft.item.tokens.push(row);
      sealed.push({ payload, targets: group.map(({ version }) => version.target) });
    }
  }
  return sealed;
}

interface Line {
  readonly version: Version;
  readonly line: string;
}

function splitGroups(versions: readonly Version[]): Line[][] {
  const groups: Line[][] = [];
  let bytes = Infinity;
  for (const version of versions) {
    const line = stringifyFhirJson(version.resource);
    const size = Buffer.byteLength(line) + 1;
    if (size > GROUP_BYTES) {
      throw new GatewayError(
        'too-large',
        `a resource takes at most ${GROUP_BYTES} bytes; send large attachments as documents of their own`,
        {
          expression: version.target.type,
        },
      );
    }
    const last = groups.at(-1);
    if (last === undefined || last.length === GROUP_MAX_LINES || bytes + size > GROUP_BYTES) {
      groups.push([{ version, line }]);
      bytes = size;
    } else {
      last.push({ version, line });
      bytes += size;
    }
  }
  return groups;
}

function timesOf(item: Draft['item'], time: number): Pick<ManifestContent, 'times'> {
  const times = item.records.flatMap((record) =>
    record.sourceTime === time ? [] : [[record.payload, record.line, record.sourceTime] as const],
  );
  return times.length === 0 ? {} : { times };
}

function resultOf(target: Target, versions: readonly Version[]): Result {
  const resource = versions.find((version) => version.target === target)?.resource ?? target.current;
  return {
    outcome: target.outcome,
    type: target.type,
    id: target.id,
    versionId: resource?.meta.versionId ?? '0',
    lastUpdated: resource?.meta.lastUpdated ?? '',
    resource: resource === undefined || isTombstone(resource) ? undefined : resource,
  };
}
