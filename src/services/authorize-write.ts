/**
 * The decisions on a write by a FHIR client: before anything is prepared, from what the request itself tells, and on every
 * target with its content. Denials are recorded.
 */
import type { ResourceKey } from '../core/ids.ts';
import type { Principal } from '../core/principal.ts';
import type { Change, ReplaceChange } from '../formats/fhir/change.ts';
import { DIRECTORY_TYPES, parseReference, subjectOf } from '../formats/fhir/references.ts';
import type { Resource } from '../formats/fhir/resource.ts';
import { resourceKey } from '../keys/index-secret.ts';
import { labelSet } from '../labels/label.ts';
import { labelsOf } from '../labels/labels-of.ts';
import type { Keyring } from '../write/keyring.ts';
import type { WriteTarget } from '../write/submission.ts';
import type { AccessDecider, AccessQuestion } from './decide-access.ts';
import { notFound, recordRefused, refusal } from './open-version.ts';
import type { AccessRecorder, Reasons } from './record-access.ts';
import type { RecordStore } from './record-store.ts';

export interface AuthorizeDeps {
  readonly records: RecordStore;
  readonly keyring: Keyring;
  readonly decider: AccessDecider;
  readonly recorder: AccessRecorder;
}

/** Who writes, and how. */
export interface WriteRequest {
  readonly principal: Principal;
  readonly requestId: string;
  /** What the manifest says was done. */
  readonly interaction: 'create' | 'update' | 'delete' | 'transaction';
}

const DIRECTORY = labelSet(['DIRECTORY']);

/** A question, and what it is about: the residual predicate needs the content where it is known. */
export interface Asked {
  readonly question: AccessQuestion;
  readonly reference: string;
  readonly resource: Resource | undefined;
  /** False for a patient that this very message would make. */
  readonly exists: boolean;
}

/** What was denied, and what may be said of it. */
export interface Denied {
  readonly asked: Asked;
  readonly mayKnow: boolean;
  readonly reasons: Reasons | undefined;
}

/** The first question that is denied, or whose record the permit's residual predicate refuses. */
export async function firstDenial(
  deps: AuthorizeDeps,
  principal: Principal,
  asked: readonly Asked[],
): Promise<Denied | undefined> {
  const decisions = await deps.decider.decide(
    principal,
    asked.map(({ question }) => question),
  );
  for (const [i, one] of asked.entries()) {
    const decision = decisions[i];
    if (decision.kind === 'denial') return { asked: one, mayKnow: decision.mayKnowPatient, reasons: decision };
    if (one.resource !== undefined && !decision.residual(one.resource)) {
      return { asked: one, mayKnow: decision.mayKnowPatient, reasons: recordRefused(decision) };
    }
  }
  return undefined;
}

/** Every target must be permitted: its new content where it will lie, and the version that it replaces. */
export function questionsOf(target: WriteTarget): readonly Asked[] {
  const { interaction: action, type, id, current, currentLabels, resource } = target;
  const { patient } = target;
  const base = { reference: `${type}/${id}`, exists: type !== 'Patient' || current !== undefined };
  const asked: Asked[] = [];
  if (resource !== undefined) {
    asked.push({ ...base, question: { action, patient, labels: target.labels, type }, resource });
  }
  if (current !== undefined && currentLabels !== undefined) {
    // What stood there is overwritten: that takes the same permission, whatever its labels were.
    asked.push({ ...base, question: { action, patient, labels: currentLabels, type }, resource: current });
  }
  return asked;
}

/** The first decision, from what the request itself and the places of its resources tell. */
export async function refuseBefore(
  deps: AuthorizeDeps,
  request: WriteRequest,
  changes: readonly Change[],
): Promise<void> {
  const secret = deps.keyring.gatewaySecret;
  const named = changes.map((change) =>
    change.mode !== 'merge' && change.id !== undefined ? resourceKey(secret, change.type, change.id) : undefined,
  );
  const stored = await deps.records.current(named.filter((key) => key !== undefined));
  const boxes = await deps.keyring.byLeaf([...stored.values()].map(({ lockbox }) => lockbox));
  const asked: Asked[] = [];
  for (const [i, change] of changes.entries()) {
    if (change.mode === 'merge') continue;
    const { type, id = '' } = change;
    const key = named[i];
    const row = key === undefined ? undefined : stored.get(key);
    const box = row && boxes.get(row.lockbox);
    const reference = `${type}/${id}`;
    if (box !== undefined) {
      const action = change.mode === 'delete' ? 'delete' : 'update';
      const { patient, labels } = box;
      asked.push({ reference, exists: true, resource: undefined, question: { action, patient, labels, type } });
    } else if (change.mode === 'delete') {
      await recordMissing(deps, request, reference);
      throw notFound();
    }
    if (change.mode === 'replace') {
      const patient = patientOf(deps, change, key);
      const question = { action: box === undefined ? 'create' : 'update', patient, type } as const;
      const labels = patient === undefined ? DIRECTORY : labelsOf(change.set);
      asked.push({ reference, exists: false, resource: undefined, question: { ...question, labels } });
    }
  }
  const denied = await firstDenial(deps, request.principal, asked);
  if (denied === undefined) return;
  await recordDenial(deps, request, denied);
  throw refusal(denied.mayKnow);
}

/** Whose record a new version would be; a patient that this message makes is nobody that is known yet. */
function patientOf(deps: AuthorizeDeps, change: ReplaceChange, key: ResourceKey | undefined): ResourceKey | undefined {
  const secret = deps.keyring.gatewaySecret;
  if (change.type === 'Patient') return key ?? resourceKey(secret, 'Patient', '');
  const subject = subjectOf(change.set);
  const parsed = subject === undefined ? undefined : parseReference(subject);
  if (parsed?.local === true && parsed.type === 'Patient') return resourceKey(secret, 'Patient', parsed.id);
  // No subject where there must be one is the writer's to refuse.
  return subject === undefined && DIRECTORY_TYPES.has(change.type) ? undefined : resourceKey(secret, 'Patient', '');
}

/** Records a denial of a write. */
export async function recordDenial(
  deps: AuthorizeDeps,
  request: WriteRequest,
  { asked, reasons }: Denied,
): Promise<void> {
  const { question, reference, exists } = asked;
  const { principal, requestId, interaction } = request;
  const known = exists || (question.type !== 'Patient' && (await isPatient(deps, question.patient)));
  const patient = known ? question.patient : undefined;
  await deps.recorder.record({
    principal,
    interaction,
    outcome: 'denied',
    patient,
    references: [reference],
    requestId,
    reasons,
  });
}

async function isPatient(deps: AuthorizeDeps, patient: ResourceKey | undefined): Promise<boolean> {
  return patient !== undefined && (await deps.keyring.patientSecrets([patient])).has(patient);
}

async function recordMissing(deps: AuthorizeDeps, request: WriteRequest, reference: string): Promise<void> {
  const { principal, requestId, interaction } = request;
  await deps.recorder.record({
    principal,
    interaction,
    outcome: 'not-found',
    patient: undefined,
    references: [reference],
    requestId,
  });
}
