/**
 * Provenance and MessageHeader of one message, rendered from its manifest (DESIGN section 6): never stored, naming only what
 * the caller may see of what the message made. A message about patients is shown to who may see something of one of them; what
 * else it made (a practitioner, an organisation) is no way to hear of it.
 */
import { parseMessageDetails } from '../audit/message-details.ts';
import { renderMessageHeader } from '../audit/message-header.ts';
import { renderProvenance, renderTransformation } from '../audit/provenance.ts';
import type { RenderedMessage } from '../audit/rendered.ts';
import { parseSubmitter, type Submitter } from '../audit/submitter.ts';
import type { Denial, Permit } from '../consent/permit.ts';
import { GatewayError } from '../core/errors.ts';
import { groupNumber, ordinalOfGroup, type GroupNumber, type LeafIndex, type ResourceKey } from '../core/ids.ts';
import type { Interaction, Principal } from '../core/principal.ts';
import type { StoredResource } from '../formats/fhir/resource.ts';
import { resourceKey } from '../keys/index-secret.ts';
import type { Lockbox } from '../keys/lockbox.ts';
import { parseDocument, type DocumentBody } from '../record/document.ts';
import type { ManifestContent } from '../record/manifest.ts';
import { openWhole } from '../record/open.ts';
import { groupDigest } from '../record/sealed-group.ts';
import { unsealManifest } from '../write/writer.ts';
import { isServed } from './capability.ts';
import type { MessageStore } from './message-store.ts';
import { recordRefused, type ReadDeps } from './open-version.ts';
import type { Reasons } from './record-access.ts';

export interface RenderDeps extends ReadDeps {
  readonly messages: MessageStore;
  /** Name of this gateway. */
  readonly origin: string;
}

export interface Refusal {
  readonly mayKnow: boolean;
  readonly reasons: Reasons;
}

/** What the caller may hear of a message. */
export type Hearing =
  /** There is no such message, or it has nothing of this type. */
  | { readonly kind: 'none' }
  /** Refused, by whose records they are; undefined: the directory's. */
  | { readonly kind: 'refused'; readonly refusals: ReadonlyMap<ResourceKey | undefined, Refusal> }
  | {
      readonly kind: 'heard';
      /** At least one. */
      readonly resources: readonly StoredResource[];
      /** Place whose leaf is that of the message. */
      readonly group: GroupNumber;
      /** Whose records are named, and by which permit; the key is undefined only where nothing of a patient is. */
      readonly permits: ReadonlyMap<ResourceKey | undefined, Permit>;
    };

interface Asked {
  readonly principal: Principal;
  readonly action: Extract<Interaction, 'read' | 'search'>;
  /** A rendered type. */
  readonly type: string;
}

interface Group {
  readonly lockbox: Lockbox;
  readonly body: Buffer;
}

/** Decides, opens, renders; records nothing. Throws `integrity`. */
export async function renderMessage(deps: RenderDeps, asked: Asked, leaf: LeafIndex): Promise<Hearing> {
  const bytes = await deps.messages.document(leaf);
  const document = bytes && parseDocument(bytes);
  if (document?.typ !== 'manifest') return { kind: 'none' };
  const manifest = await unsealManifest(deps.keyring, document);
  const message = manifest.kind === 'hl7v2' ? parseMessageDetails(manifest.details) : undefined;
  if (asked.type === 'MessageHeader' && message === undefined) return { kind: 'none' };
  const groups = await groupsOf(deps, leaf, document, manifest);
  const { produced, permits, refusals } = await lookInto(deps, asked, groups);
  if (groups.some(({ lockbox }) => lockbox.patient !== undefined)) {
    permits.delete(undefined);
    refusals.delete(undefined);
  }
  if (permits.size === 0) return refusals.size === 0 ? { kind: 'none' } : { kind: 'refused', refusals };
  const { kind, source, at, details } = manifest;
  const submitter = await submitterOf(deps, parseSubmitter(details), permits);
  const id = `m-${leaf}`;
  const { origin } = deps;
  const original = manifest.reprocessOf === undefined ? {} : { original: manifest.reprocessOf };
  const facts = { id, origin, leaf, ...original, kind, source, receivedAt: at, message, submitter, produced };
  return { kind: 'heard', resources: render(asked.type, facts), group: groupNumber(leaf, 0), permits };
}

function render(type: string, facts: RenderedMessage): readonly StoredResource[] {
  const made =
    type === 'MessageHeader'
      ? [renderMessageHeader(facts)]
      : [renderProvenance(facts), renderTransformation(facts, `t-${facts.leaf}`)];
  return made.filter((resource) => resource !== undefined);
}

/** The sealed groups of records that a manifest names, each with its key. */
async function groupsOf(
  deps: RenderDeps,
  leaf: LeafIndex,
  document: DocumentBody,
  manifest: ManifestContent,
): Promise<readonly Group[]> {
  const places = manifest.groups.map((ordinal) => groupNumber(leaf, ordinal));
  const payloads = await deps.messages.payloads(places);
  const boxes = await deps.keyring.byLeaf([...payloads.values()].map(({ lockbox }) => lockbox));
  return places.map((place) => {
    const payload = payloads.get(place);
    const lockbox = payload && boxes.get(payload.lockbox);
    if (
      payload === undefined ||
      lockbox === undefined ||
      groupDigest(payload.body).toString('base64url') !== document.payloads[ordinalOfGroup(place)]?.digest
    ) {
      throw new GatewayError('integrity', 'a payload is not the one that its manifest names');
    }
    return { lockbox, body: payload.body };
  });
}

/** What the caller may see of the records of a message. */
async function lookInto(
  deps: RenderDeps,
  { principal, action, type }: Asked,
  groups: readonly Group[],
): Promise<{
  readonly produced: readonly string[];
  readonly permits: Map<ResourceKey | undefined, Permit>;
  readonly refusals: Map<ResourceKey | undefined, Refusal>;
}> {
  // Twice: the rendered type must be permitted itself, and each record that it would name by what that one is.
  const questions = groups.flatMap(({ lockbox: { patient, labels } }) => [
    { action, patient, labels, type: undefined },
    { action, patient, labels, type },
  ]);
  const decisions = await deps.decider.decide(principal, questions);
  const produced: string[] = [];
  const permitted = new Map<number, Permit>();
  const permits = new Map<ResourceKey | undefined, Permit>();
  const refusals = new Map<ResourceKey | undefined, Refusal>();
  const seen = groups.map(() => [] as StoredResource[]);
  groups.forEach(({ lockbox, body }, i) => {
    const [decision, ofType] = decisions.slice(2 * i);
    const denial = [decision, ofType].find((one): one is Denial => one.kind === 'denial');
    if (denial !== undefined || decision.kind === 'denial') {
      const { mayKnowPatient, ...reasons } = denial ?? decision;
      refusals.set(lockbox.patient, { mayKnow: mayKnowPatient, reasons });
      return;
    }
    const opened = openWhole(decision, lockbox, body);
    if (opened.length === 0) {
      refusals.set(lockbox.patient, { mayKnow: decision.mayKnowPatient, reasons: recordRefused(decision) });
      return;
    }
    // Internal records are never served, nor named.
    seen[i].push(...opened.filter(({ resourceType }) => isServed(resourceType)));
    if (seen[i].length > 0) permitted.set(i, decision);
  });
  const withdrawn = await withdrawnOf(deps, seen.flat());
  for (const [i, decision] of permitted) {
    const standing = seen[i].filter((one) => !withdrawn.has(one));
    if (standing.length === 0) continue;
    permits.set(groups[i].lockbox.patient, decision);
    produced.push(...standing.map((one) => `${one.resourceType}/${one.id}/_history/${one.meta.versionId}`));
  }
  return { produced, permits, refusals };
}

/** Versions that were filed under a wrong patient and withdrawn: nothing says any more that they were there. */
async function withdrawnOf(
  deps: RenderDeps,
  versions: readonly StoredResource[],
): Promise<ReadonlySet<StoredResource>> {
  if (versions.length === 0) return new Set();
  const keyOf = ({ resourceType, id }: StoredResource): ResourceKey =>
    resourceKey(deps.keyring.gatewaySecret, resourceType, id);
  const withdrawn = await deps.records.withdrawn([...new Set(versions.map(keyOf))]);
  if (withdrawn.size === 0) return new Set();
  return new Set(versions.filter((one) => Number(one.meta.versionId) <= (withdrawn.get(keyOf(one)) ?? 0)));
}

/** A patient who wrote is named to who may see something of that patient. */
async function submitterOf(
  deps: RenderDeps,
  submitter: Submitter | undefined,
  permits: ReadonlyMap<ResourceKey | undefined, Permit>,
): Promise<Submitter | undefined> {
  const key = submitter?.patientKey;
  if (submitter === undefined || key === undefined || !permits.has(key)) return submitter;
  const id = await deps.patients.idOf(key);
  return id === undefined ? submitter : { ...submitter, patient: `Patient/${id}` };
}
