/**
 * The writer: prepare, commit, and prepare again after a lost race. Everything that changes a record goes through
 * `submit`; every access event through `recordAccess`. Both are durable and anchored on return.
 */
import { GatewayError } from '../core/errors.ts';
import type { LeafIndex, ResourceKey } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import { coalesce } from '../core/coalesce.ts';
import { groupBy } from '../core/group-by.ts';
import { lane } from '../core/lane.ts';
import { GROUP_MAX_LINES } from '../core/limits.ts';
import { stringifyFhirJson } from '../formats/fhir/json.ts';
import type { StoredResource } from '../formats/fhir/resource.ts';
import { resourceKey } from '../keys/index-secret.ts';
import { labelSet } from '../labels/label.ts';
import { parseDocument, type DocumentBody } from '../record/document.ts';
import { decodeManifest, encodeManifest, type ManifestContent } from '../record/manifest.ts';
import { packCompact, unsealGroup } from '../record/sealed-group.ts';
import { Draft } from './draft.ts';
import type { Keyring } from './keyring.ts';
import { contention, type GroupCommitter } from './group-commit.ts';
import { MANIFEST_LABELS, prepare, type Prepared, type PrepareDeps, type Replay } from './prepare.ts';
import { patientTokens, TokenRows } from './token-rows.ts';
import type { Accepted, Submission, Writer } from './submission.ts';

/** How often a message that lost its race is prepared again before its sender is told to come back. */
const ATTEMPTS = 12;
/** Access events of one batch. */
const ACCESS_BATCH = 512;

export const AUDIT_LABELS = labelSet(['AUDIT']);

/** An access event as an AuditEvent (version 1), and whose trail it belongs to. */
export interface AccessRecord {
  readonly patient: ResourceKey | undefined;
  readonly event: StoredResource;
}

export interface AccessWriter {
  /** Resolves with the leaf of the access batch once it is durable and anchored: only then may the answer leave. */
  recordAccess(record: AccessRecord): Promise<LeafIndex>;
}

export interface WriterDeps extends PrepareDeps {
  readonly committer: Pick<GroupCommitter, 'commit'>;
  readonly log: Log;
  /**
   * Messages are prepared in batches: what arrives while one is under way goes into the next. Each step then runs for many
   * messages while its code is at hand (measured: a quarter less time a message); a slow one holds up the next batch.
   */
  readonly inBatches?: boolean;
}

/** Messages of one batch. */
const PREPARE_BATCH = 32;

type Preparing = (submission: Submission) => Promise<Prepared | Replay>;

function preparing(deps: WriterDeps): Preparing {
  if (deps.inBatches !== true) return (submission) => prepare(deps, submission);
  const together = coalesce(
    (submissions: readonly Submission[]) =>
      Promise.allSettled(submissions.map((submission) => prepare(deps, submission))),
    { max: PREPARE_BATCH },
  );
  return async (submission) => {
    const settled = await together(submission);
    if (settled.status === 'rejected') throw settled.reason;
    return settled.value;
  };
}

export function createWriter(deps: WriterDeps): Writer & AccessWriter {
  const retries = lane();
  const once = preparing(deps);
  return {
    async submit(submission) {
      // Two free tries; who loses both goes into the lane, so that a burst about one patient does not race itself for ever.
      return (
        (await attempt(deps, once, submission)) ??
        (await attempt(deps, once, submission)) ??
        (await retries(() => persist(deps, once, submission)))
      );
    },
    recordAccess: coalesce((records: readonly AccessRecord[]) => commitAccess(deps, records), { max: ACCESS_BATCH }),
  };
}

/** Prepares and commits once; undefined when the message lost its race. */
async function attempt(deps: WriterDeps, once: Preparing, submission: Submission): Promise<Accepted | undefined> {
  const prepared = await once(submission);
  if ('replayOf' in prepared) return replay(deps, prepared.replayOf);
  const outcome = await deps.committer.commit(prepared.item);
  return outcome.kind === 'committed' ? prepared.complete(outcome.firstLeaf) : undefined;
}

async function persist(deps: WriterDeps, once: Preparing, submission: Submission): Promise<Accepted> {
  for (let tries = 0; tries < ATTEMPTS; tries += 1) {
    const accepted = await attempt(deps, once, submission);
    if (accepted !== undefined) return accepted;
    deps.log.debug({ event: 'prepare-again', count: tries + 3, kind: submission.kind });
  }
  throw contention();
}

/** The stored answer of a message that was accepted before. */
async function replay(deps: WriterDeps, leaf: LeafIndex): Promise<Accepted> {
  const content = await openManifest(deps, leaf);
  return { leaf, replayed: true, answer: content.answer, results: [] };
}

async function openManifest(deps: WriterDeps, leaf: LeafIndex): Promise<ManifestContent> {
  const bytes = await deps.store.document(leaf);
  if (bytes === undefined) throw new GatewayError('integrity', 'a manifest of the log is missing');
  return unsealManifest(deps.keyring, parseDocument(bytes));
}

/** Opens the sealed part of a manifest of this gateway. Throws `integrity`. */
export async function unsealManifest(keyring: Keyring, manifest: DocumentBody): Promise<ManifestContent> {
  const slot = keyring.slot(undefined, MANIFEST_LABELS, 0);
  const held = (await keyring.bySlot([slot])).get(slot);
  if (held === undefined) throw new GatewayError('integrity', 'the key of the manifests is missing');
  return decodeManifest(unsealGroup(held.lockbox.keyObject, packCompact(manifest.sealed)).plaintext);
}

/** One access batch: the events of each patient sealed in that patient's AUDIT lockbox, one document for all of them. */
async function commitAccess(deps: WriterDeps, records: readonly AccessRecord[]): Promise<readonly LeafIndex[]> {
  const { keyring } = deps;
  const byPatient = groupBy(records, (record) => record.patient);
  const patients = [...byPatient.keys()].filter((patient) => patient !== undefined);
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const slots = [
      keyring.slot(undefined, AUDIT_LABELS, 0),
      ...patients.map((patient) => keyring.slot(patient, AUDIT_LABELS, 0)),
    ];
    const [held, secrets] = await Promise.all([keyring.bySlot(slots), keyring.patientSecrets(patients)]);
    const draft = new Draft(deps, held);
    const at = deps.clock.now();
    const groups: number[] = [];
    for (const [patient, theirs] of byPatient) {
      const secret = patient === undefined ? undefined : secrets.get(patient);
      const keyed = secret && patientTokens(secret);
      for (let from = 0; from < theirs.length; from += GROUP_MAX_LINES) {
        const events = theirs.slice(from, from + GROUP_MAX_LINES);
        const plaintext = Buffer.from(`${events.map(({ event }) => stringifyFhirJson(event)).join('\n')}\n`);
        const payload = await draft.addPayload(patient, AUDIT_LABELS, 0, 'application/fhir+ndjson', plaintext);
        groups.push(payload);
        const tokens = new TokenRows();
        events.forEach(({ event }, line) => {
          const resource = resourceKey(keyring.gatewaySecret, event.resourceType, event.id);
          draft.item.records.push({ resource, version: 1, payload, line, source: 0, sourceTime: at });
          tokens.addResource(event, line, keyring.gatewayToken, keyed);
        });
        for (const row of tokens.rows(payload)) draft.item.tokens.push(row);
      }
    }
    const content = encodeManifest({
      kind: 'access',
      source: '',
      at,
      time: at,
      lockboxes: draft.lockboxes,
      groups,
      details: {},
    });
    const item = await draft.finish('access', AUDIT_LABELS, content);
    const outcome = await deps.committer.commit(item);
    if (outcome.kind === 'committed') {
      draft.learn(outcome.firstLeaf);
      const leaf = (outcome.firstLeaf + item.manifest) as LeafIndex;
      return records.map(() => leaf);
    }
  }
  throw contention();
}
