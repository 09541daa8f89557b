/**
 * Prepares one message for the group commit (DESIGN section 3): resolve, apply, validate, label, decide, seal, index.
 * Optimistic: it reads what is committed and locks nothing; the commit checks that all of it still stands.
 */
import { GatewayError } from '../core/errors.ts';
import { groupNumber, type AliasHash, type LeafIndex, type ResourceKey } from '../core/ids.ts';
import { pace } from '../core/next-turn.ts';
import { DIRECTORY_TYPES } from '../formats/fhir/references.ts';
import type { Clock } from '../core/clock.ts';
import type { Issue } from '../formats/fhir/validate.ts';
import { aliasHash, messageKey, resourceKey, sourceNumber, type IndexSecret } from '../keys/index-secret.ts';
import { labelSet, type LabelSet } from '../labels/label.ts';
import { encodeManifest, RAW_PART_BYTES, splitManifest, type ManifestContent } from '../record/manifest.ts';
import { Draft, type DraftDeps } from './draft.ts';
import type { CommitItem, MessageKey, PrepareStore, ReadVersion, Resolved } from './ports.ts';
import { keepCharts } from './keep-charts.ts';
import { refuseStrangers } from './late-subjects.ts';
import { linkPatients } from './patient-links.ts';
import { allowMoves, movesOf, withdrawnBy } from './moves.ts';
import { namedByProvenance, provenanceSubjects } from './provenance-subject.ts';
import { aliasHashes, findTargets, type Target } from './target.ts';
import type { Accepted, Submission } from './submission.ts';
import { keyedPatients, sealVersions } from './seal-versions.ts';
import { knownPatients, nextVersion, resultOf, writeTarget, type Version } from './versions.ts';

const DAY_MS = 86_400_000;

export const MANIFEST_LABELS: LabelSet = labelSet(['MANIFEST']);
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

/** Throws GatewayError for what cannot be taken; nothing was written then. */
export async function prepare(deps: PrepareDeps, submission: Submission): Promise<Prepared | Replay> {
  const { keyring, store } = deps;
  const secret = keyring.gatewaySecret;
  const message = keyOfMessage(secret, submission);
  const hashes = aliasHashes(keyring, submission.changes);
  const about = (submission.about ?? []).map((key) => aliasHash(secret, 'Patient', key));
  const source = sourceNumber(secret, submission.source);
  const [resolved, reprocessed, earlier] = await Promise.all([
    store.resolve([...new Set([...hashes.flat(), ...about])], explicitKeys(secret, submission), source),
    submission.reprocessOf === undefined ? undefined : store.reprocessed(submission.reprocessOf),
    message === undefined ? [] : store.findMessages(message.control),
  ]);
  const replay = reprocessed ?? replayOf(earlier, message, submission.uniqueControl === true);
  if (replay !== undefined) return { replayOf: replay };
  const sameControl =
    submission.kind === 'hl7v2' ? earlier.map(({ leaf }) => leaf).toSorted((a, b) => b - a)[0] : undefined;

  const targets = await findTargets(deps, submission.changes, hashes, resolved, submission.receivedAt);
  const links = await linkPatients(store, submission.changes, targets, submission.receivedAt);
  await allowMoves(store, submission.changes, targets);
  await keepCharts(store, secret, submission.changes, targets);
  const distinct = [...new Set(targets)];
  await refuseStrangers(store, secret, distinct);
  const written = distinct.filter((target) => target.next !== undefined);
  const now = new Date(deps.clock.now()).toISOString();
  const patients = await knownPatients(deps, targets, secret);
  const subjects = await provenanceSubjects(deps, distinct, resolved);
  const rest = pace();
  const versions: Version[] = [];
  for (const target of written) {
    versions.push(nextVersion(deps, submission, target, now, patients, subjects));
    const wait = rest();
    if (wait !== undefined) await wait;
  }
  const versionOf = new Map(versions.map((version) => [version.target, version] as const));
  await submission.authorize?.(distinct.map((target) => writeTarget(target, versionOf.get(target))));

  const owner = ownerOf(versions, targets, about, resolved);
  const rawEpoch = owner === undefined ? Math.floor(submission.receivedAt / DAY_MS) : 0;
  // A patient whom this message makes has no keys yet; if another message is faster, the commit will notice.
  const fresh = new Set(
    distinct.flatMap((target) => (target.type === 'Patient' && target.version === 0 ? [target.key] : [])),
  );
  const boxed = versions.filter(({ patient }) => patient === undefined || !fresh.has(patient));
  const slots = [
    keyring.slot(undefined, MANIFEST_LABELS, 0),
    ...(submission.raw === undefined || (owner !== undefined && fresh.has(owner))
      ? []
      : [keyring.slot(owner, RAW_LABELS, rawEpoch)]),
    ...boxed.map((version) => keyring.slot(version.patient, version.labels, 0)),
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
      await rest();
    }
  }
  for (const { digest, size, change } of submission.blobs ?? []) {
    if (change === undefined || targets[change].outcome === 'created') draft.addBlob(digest, size);
  }

  const withdrawn = withdrawnBy(versions);
  const moves = movesOf(secret, deps.random, submission.changes, targets, versions);
  const restated = restatedBy(distinct, source);
  const results = targets.map((target) => resultOf(target, versionOf.get(target)));
  const answer = submission.answer?.(results);
  const { content, parts } = splitManifest({
    kind: submission.kind,
    source: submission.source,
    at: submission.receivedAt,
    time: submission.sourceTime,
    ...(message === undefined ? {} : { message: [message.control, message.digest, message.thread ?? null] as const }),
    ...(submission.raw === undefined ? {} : { raw: submission.raw.bytes.length }),
    groups: groups.map((group) => group.payload),
    ...timesOf(draft.item, submission.sourceTime),
    ...(draft.item.aliases.length === 0
      ? {}
      : { aliases: draft.item.aliases.map(({ hash, resource }) => [hash, resource] as const) }),
    ...(links.length === 0
      ? {}
      : {
          links: links.map((link) => {
            const { patient, other, seq, kind, wasActive, sourceTime } = link;
            return [patient, other, seq, kind, wasActive ?? null, sourceTime] as const;
          }),
        }),
    ...(withdrawn.length > 0 && { withdrawn: withdrawn.map(({ resource, version }) => [resource, version] as const) }),
    ...(moves.length > 0 && { moves: moves.map(({ anchor, from, to, id }) => [anchor, from, to, id] as const) }),
    ...(restated.length === 0
      ? {}
      : { restated: restated.map(({ resource, sourceTime }) => [resource, sourceTime] as const) }),
    ...(answer === undefined ? {} : { answer }),
    ...(sameControl === undefined ? {} : { sameControl }),
    ...(submission.quarantine === undefined ? {} : { quarantine: submission.quarantine }),
    ...(submission.reprocessOf === undefined ? {} : { reprocessOf: submission.reprocessOf }),
    details: submission.details,
  });
  const more: number[] = [];
  for (const part of parts) {
    more.push(await draft.addPayload(undefined, MANIFEST_LABELS, 0, 'application/json', part));
    await rest();
  }
  const manifest: ManifestContent = { ...content, lockboxes: draft.lockboxes, ...(more.length > 0 && { more }) };
  draft.item.message = message;
  draft.item.restated = restated;
  draft.item.reads = readBy(distinct);
  draft.item.links = links;
  draft.item.withdrawn = withdrawn;
  draft.item.moves = moves;
  if (submission.quarantine !== undefined) {
    draft.item.quarantine = { reason: submission.quarantine.code, source, at: submission.receivedAt };
  }
  if (submission.reprocessOf !== undefined) draft.item.reprocessOf = submission.reprocessOf;
  const item = await draft.finish('manifest', MANIFEST_LABELS, encodeManifest(manifest));
  return {
    item,
    complete(firstLeaf) {
      draft.learn(firstLeaf);
      const leaf = (firstLeaf + item.manifest) as LeafIndex;
      return {
        leaf,
        replayed: false,
        ...(sameControl !== undefined && { sameControl }),
        answer,
        results: results.map((result, i) => {
          const place = places.get(targets[i]);
          return place === undefined ? result : { ...result, group: groupNumber(leaf, place.payload) };
        }),
      };
    },
  };
}

/**
 * What the source said again of patients' resources that get no new version. The directory is left out: every message repeats
 * its practitioners and organisations, and what it says of them has no order to lose.
 */
function restatedBy(targets: readonly Target[], source: number): NonNullable<CommitItem['restated']> {
  return targets.flatMap(({ key, type, version, next, restatedAt, ownSourceTime }) =>
    next !== undefined ||
    restatedAt === undefined ||
    DIRECTORY_TYPES.has(type) ||
    restatedAt <= (ownSourceTime ?? Number.NEGATIVE_INFINITY)
      ? []
      : [{ resource: key, version, source, sourceTime: restatedAt }],
  );
}

/**
 * What the message leaves as it is. A visit that is moved to another patient while a result of it is prepared must not keep that result in
 * the wrong record. The directory is left out, which every message repeats.
 */
function readBy(targets: readonly Target[]): ReadVersion[] {
  return targets.flatMap(({ key, type, version, next }) =>
    next !== undefined || version === 0 || DIRECTORY_TYPES.has(type) ? [] : [{ resource: key, version }],
  );
}

function keyOfMessage(secret: IndexSecret, submission: Submission): MessageKey | undefined {
  if (submission.control === undefined) return undefined;
  const content = submission.content ?? submission.raw?.bytes ?? Buffer.alloc(0);
  const key = messageKey(secret, submission.source, submission.control, content);
  const thread =
    submission.thread === undefined ? undefined : resourceKey(secret, 'thread', submission.thread.join('\u0000'));
  return { ...key, thread };
}

/** The earlier message under this control id that has the same content. */
function replayOf(
  earlier: readonly { readonly digest: string; readonly leaf: LeafIndex }[],
  message: MessageKey | undefined,
  unique: boolean,
): LeafIndex | undefined {
  const same = earlier.find((known) => known.digest === message?.digest);
  if (same === undefined && unique && earlier.length > 0) {
    throw new GatewayError('conflict', 'an object with this identifier but other content was stored before');
  }
  return same?.leaf;
}

/** Resources that changes name by id: their own, for a FHIR write, and what a Provenance is about. */
function explicitKeys(secret: IndexSecret, submission: Submission): ResourceKey[] {
  return submission.changes.flatMap((change) => [
    ...(change.mode !== 'merge' && change.id !== undefined ? [resourceKey(secret, change.type, change.id)] : []),
    ...(change.mode === 'delete' ? [] : namedByProvenance(secret, change.set)),
  ]);
}

/** The patient whose message it is: of the first version that has one, else of the resources it is about. */
function ownerOf(
  versions: readonly Version[],
  targets: readonly Target[],
  about: readonly AliasHash[],
  resolved: Resolved,
): ResourceKey | undefined {
  const first = versions.find((version) => version.patient !== undefined)?.patient;
  if (first !== undefined) return first;
  const patient = targets.find((target) => target.type === 'Patient');
  if (patient !== undefined) return patient.key;
  for (const hash of about) {
    const key = resolved.aliases.get(hash);
    if (key !== undefined) return key;
  }
  return targets.find((target) => target.lockbox?.patient !== undefined)?.lockbox?.patient;
}

function timesOf(item: Draft['item'], time: number): Pick<ManifestContent, 'times'> {
  const times = item.records.flatMap((record) =>
    record.sourceTime === time ? [] : [[record.payload, record.line, record.sourceTime] as const],
  );
  return times.length === 0 ? {} : { times };
}
