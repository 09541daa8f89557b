/**
 * From a stored version to an opened resource that the caller may see: decide, open, apply the residual predicate, record
 * the access. Shared by read, vread and history. "No audit record, no answer": what these functions return was recorded.
 */
import type { AccessInteraction } from '../audit/access-event.ts';
import type { Decision } from '../consent/permit.ts';
import { GatewayError } from '../core/errors.ts';
import type { GroupNumber, ResourceKey } from '../core/ids.ts';
import type { Principal } from '../core/principal.ts';
import { parseReference, subjectOf } from '../formats/fhir/references.ts';
import { isTombstone, type StoredResource } from '../formats/fhir/resource.ts';
import type { Lockbox } from '../keys/lockbox.ts';
import { openLines } from '../record/open.ts';
import type { Keyring } from '../write/keyring.ts';
import type { AccessDecider } from './decide-access.ts';
import type { PatientIds } from './patient-ids.ts';
import type { AccessRecorder, Reasons } from './record-access.ts';
import type { RecordStore, StoredVersion } from './record-store.ts';

export interface ReadDeps {
  readonly records: RecordStore;
  readonly keyring: Keyring;
  readonly decider: AccessDecider;
  readonly recorder: AccessRecorder;
  readonly patients: PatientIds;
}

/** Who asks for what, as the edge heard it. */
export interface ReadRequest {
  readonly principal: Principal;
  readonly type: string;
  readonly id: string;
  readonly requestId: string;
}

export interface ReadVersion {
  readonly resource: StoredResource;
  /** Place of the version: its manifest's leaf anchors it. */
  readonly group: GroupNumber;
}

/** What may be said of a version. */
type Opened =
  | { readonly kind: 'open'; readonly resource: StoredResource; readonly reasons: Reasons }
  | { readonly kind: 'refused'; readonly mayKnow: boolean; readonly reasons: Reasons };

export interface OpenedVersion {
  readonly patient: ResourceKey | undefined;
  readonly outcome: Opened;
}

/** Decides and opens; records nothing. */
export async function openVersion(
  deps: ReadDeps,
  principal: Principal,
  type: string,
  stored: StoredVersion,
): Promise<OpenedVersion> {
  return (await openVersions(deps, principal, type, [stored]))[0];
}

/** As `openVersion`, of several versions in their order; each lockbox is decided on once. */
export async function openVersions(
  deps: ReadDeps,
  principal: Principal,
  type: string,
  stored: readonly StoredVersion[],
): Promise<readonly OpenedVersion[]> {
  const boxes = [...(await deps.keyring.byLeaf(stored.map(({ lockbox }) => lockbox)))];
  const decisions = await deps.decider.decide(
    principal,
    boxes.map(([, { patient, labels }]) => ({ action: 'read', patient, labels, type })),
  );
  const byLeaf = new Map(boxes.map(([leaf, lockbox], i) => [leaf, { lockbox, decision: decisions[i] }] as const));
  return stored.map((version) => {
    const box = byLeaf.get(version.lockbox);
    if (box === undefined) throw new GatewayError('integrity', 'the lockbox of a record is not there');
    return openDecided(deps, box.lockbox, box.decision, version);
  });
}

function openDecided(deps: ReadDeps, lockbox: Lockbox, decision: Decision, stored: StoredVersion): OpenedVersion {
  const { patient } = lockbox;
  if (decision.kind === 'denial') {
    return { patient, outcome: { kind: 'refused', mayKnow: decision.mayKnowPatient, reasons: decision } };
  }
  const [resource] = openLines(decision, lockbox, stored.body, [stored], deps.keyring.gatewaySecret);
  if (resource === undefined) {
    return {
      patient,
      outcome: { kind: 'refused', mayKnow: decision.mayKnowPatient, reasons: recordRefused(decision) },
    };
  }
  const subject = patientIdOf(resource);
  if (patient !== undefined && subject !== undefined) deps.patients.learn(patient, subject);
  return { patient, outcome: { kind: 'open', resource, reasons: decision } };
}

/** Why an opened record was not handed out: the permit held as far as was known before, its residual predicate did not. */
export function recordRefused({ reasons, combiner, consents }: Reasons): Reasons {
  return { reasons: ['record-refused', ...reasons], combiner, consents };
}

/** Logical id of the patient whose record this is. */
function patientIdOf(resource: StoredResource): string | undefined {
  const reference = subjectOf(resource);
  const parsed = reference === undefined ? undefined : parseReference(reference);
  return parsed?.type === 'Patient' ? parsed.id : undefined;
}

/**
 * The answer to a request for one version, recorded. `stored` undefined: there is none. Throws `not-found`, `forbidden`, `gone`;
 * what must not be told apart (unknown, hidden) takes the same path through the audit trail.
 */
export async function answerVersion(
  deps: ReadDeps,
  request: ReadRequest,
  interaction: AccessInteraction,
  stored: StoredVersion | undefined,
): Promise<ReadVersion> {
  const version = await authorizeVersion(deps, request, interaction, stored);
  if (isTombstone(version.resource)) throw new GatewayError('gone', 'the resource was deleted');
  return version;
}

/** As `answerVersion`, but the version may be the one that says that the resource was deleted. */
export async function authorizeVersion(
  deps: ReadDeps,
  request: ReadRequest,
  interaction: AccessInteraction,
  stored: StoredVersion | undefined,
): Promise<ReadVersion> {
  if (stored?.withdrawn === true) return refuseWithdrawn(deps, request, interaction, stored);
  const { principal, type, id, requestId } = request;
  const opened = stored === undefined ? undefined : await openVersion(deps, principal, type, stored);
  const outcome = opened?.outcome;
  const version = stored === undefined ? '' : `/_history/${stored.version}`;
  await deps.recorder.record({
    principal,
    interaction,
    outcome: outcome === undefined ? 'not-found' : outcome.kind === 'open' ? 'permitted' : 'denied',
    patient: opened?.patient,
    references: [`${type}/${id}${version}`],
    requestId,
    reasons: outcome?.reasons,
  });
  if (stored === undefined || outcome === undefined) throw notFound();
  if (outcome.kind === 'refused') throw refusal(outcome.mayKnow);
  return { resource: outcome.resource, group: stored.group };
}

/** A version that was filed under a wrong patient is gone, for those who may see what became of it; else as if it never was. */
async function refuseWithdrawn(
  deps: ReadDeps,
  request: ReadRequest,
  interaction: AccessInteraction,
  { resource }: StoredVersion,
): Promise<never> {
  const current = (await deps.records.current([resource])).get(resource);
  await authorizeVersion(deps, request, interaction, current);
  throw new GatewayError(
    'gone',
    'this version was filed under another patient by mistake and was withdrawn; the history begins with the correction',
  );
}

export function notFound(): GatewayError {
  return new GatewayError('not-found', 'there is no such resource, or not for this caller');
}

/** 403 where the caller may know of the patient, 404 where existence is the secret (DESIGN section 8). */
export function refusal(mayKnow: boolean): GatewayError {
  return mayKnow
    ? new GatewayError('forbidden', 'access to this record is denied; the audit trail of the patient says why')
    : notFound();
}
