/**
 * The common part of every FHIR write: who wrote it, what may not be sent, the decision on each target, and one submission
 * to the writer. Durable and anchored when it returns.
 */
import type { Clock } from '../core/clock.ts';
import { GatewayError, type InputIssue } from '../core/errors.ts';
import type { ResourceKey } from '../core/ids.ts';
import type { Principal } from '../core/principal.ts';
import type { Change, ReplaceChange } from '../formats/fhir/change.ts';
import { DIRECTORY_TYPES, parseReference, subjectOf } from '../formats/fhir/references.ts';
import { GATEWAY_TAG_SYSTEM, type Resource } from '../formats/fhir/resource.ts';
import { validateResource } from '../formats/fhir/validate.ts';
import { resourceKey } from '../keys/index-secret.ts';
import { labelSet } from '../labels/label.ts';
import { labelsOf } from '../labels/labels-of.ts';
import type { Details } from '../record/manifest.ts';
import type { Keyring } from '../write/keyring.ts';
import type { Accepted, Writer, WriteTarget } from '../write/submission.ts';
import type { AccessDecider, AccessQuestion } from './decide-access.ts';
import { notFound, recordRefused, refusal } from './open-version.ts';
import type { AccessRecorder, Reasons } from './record-access.ts';
import type { RecordStore } from './record-store.ts';
import { leafOfRenderedId } from './rendered-id.ts';

export interface WriteDeps {
  readonly writer: Writer;
  readonly records: RecordStore;
  readonly keyring: Keyring;
  readonly decider: AccessDecider;
  readonly recorder: AccessRecorder;
  readonly clock: Clock;
}

export interface WriteRequest {
  readonly principal: Principal;
  readonly requestId: string;
  /** `create`, `update`, `delete` or `transaction`: what the manifest says was done. */
  readonly interaction: 'create' | 'update' | 'delete' | 'transaction';
}

const DIRECTORY = labelSet(['DIRECTORY']);

/** Types that only the gateway itself writes: a submitted one could pass for a true record of access. */
const GATEWAY_WRITES: ReadonlySet<string> = new Set(['AuditEvent', 'MessageHeader']);

/**
 * Everything that is wrong with a resource that a client sends, before anything is asked of the store. `at` is where it
 * stands in the request: empty, or `Bundle.entry[3].resource`.
 */
export function checkSubmitted(resource: unknown, type: string, at = ''): readonly InputIssue[] {
  const found = validateResource(resource, { type }).filter(({ severity }) => severity === 'error');
  const issues: InputIssue[] = found.map((issue) => ({ ...issue, expression: place(issue.expression, at) }));
  if (issues.length === 0 && hasGatewayTag(resource)) {
    issues.push({
      severity: 'error',
      code: 'business-rule',
      expression: place(`${type}.meta.tag`, at),
      diagnostics: `tags of the system ${GATEWAY_TAG_SYSTEM} are set by the gateway alone`,
    });
  }
  if (isResource(resource) && resource.id !== undefined && leafOfRenderedId(type, resource.id) !== undefined) {
    issues.push({
      severity: 'error',
      code: 'business-rule',
      expression: place(`${type}.id`, at),
      diagnostics: 'ids of this form belong to what the gateway renders from its messages',
    });
  }
  if (GATEWAY_WRITES.has(type)) {
    issues.push({
      severity: 'error',
      code: 'business-rule',
      expression: place(type, at),
      diagnostics: `${type} resources are written by the gateway alone`,
    });
  }
  return issues;
}

function place(expression: string, at: string): string {
  return at === '' ? expression : `${at}.${expression.slice(expression.indexOf('.') + 1)}`;
}

/** A tag of ours makes a version a tombstone; at any depth, since contained resources are resources too. */
function hasGatewayTag(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if ('system' in value && value.system === GATEWAY_TAG_SYSTEM) return true;
  return Object.values(value).some(hasGatewayTag);
}

/** Throws `invalid-content` with every issue. */
export function refuseIssues(issues: readonly InputIssue[]): void {
  if (issues.length === 0) return;
  const first = issues[0];
  throw new GatewayError('invalid-content', first.diagnostics, { expression: first.expression, issues });
}

/** True for a value that passed `checkSubmitted` without issues. */
export function isResource(value: unknown): value is Resource {
  return (
    typeof value === 'object' && value !== null && 'resourceType' in value && typeof value.resourceType === 'string'
  );
}

/**
 * One message to the writer. Throws what the writer throws, and `forbidden` or `not-found` for a denial, which is recorded.
 * Decides twice: before anything is prepared, so that errors about what is stored (an identifier is taken, a version is
 * another, a patient is unknown) are heard only by who may know; and on every target with its content.
 */
export async function submitChanges(
  deps: WriteDeps,
  request: WriteRequest,
  changes: readonly Change[],
): Promise<Accepted> {
  const { principal } = request;
  await refuseBefore(deps, request, changes);
  const now = deps.clock.now();
  let denied: Denied | undefined;
  try {
    return await deps.writer.submit({
      kind: 'fhir',
      source: `client:${principal.client ?? principal.role}`,
      changes,
      receivedAt: now,
      sourceTime: now,
      details: detailsOf(deps, request),
      async authorize(targets) {
        denied = await firstDenial(deps, principal, targets.flatMap(questionsOf));
        if (denied !== undefined) throw refusal(denied.mayKnow);
      },
    });
  } catch (error) {
    if (denied !== undefined) await recordDenial(deps, request, denied);
    throw error;
  }
}

/** A question, and what it is about: the residual predicate needs the content where it is known. */
interface Asked {
  readonly question: AccessQuestion;
  readonly reference: string;
  readonly resource: Resource | undefined;
  /** False for a patient that this very message would make. */
  readonly exists: boolean;
}

interface Denied {
  readonly asked: Asked;
  readonly mayKnow: boolean;
  readonly reasons: Reasons | undefined;
}

async function firstDenial(
  deps: WriteDeps,
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
function questionsOf(target: WriteTarget): readonly Asked[] {
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
async function refuseBefore(deps: WriteDeps, request: WriteRequest, changes: readonly Change[]): Promise<void> {
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
function patientOf(deps: WriteDeps, change: ReplaceChange, key: ResourceKey | undefined): ResourceKey | undefined {
  const secret = deps.keyring.gatewaySecret;
  if (change.type === 'Patient') return key ?? resourceKey(secret, 'Patient', '');
  const subject = subjectOf(change.set);
  const parsed = subject === undefined ? undefined : parseReference(subject);
  if (parsed?.local === true && parsed.type === 'Patient') return resourceKey(secret, 'Patient', parsed.id);
  // No subject where there must be one is the writer's to refuse.
  return subject === undefined && DIRECTORY_TYPES.has(change.type) ? undefined : resourceKey(secret, 'Patient', '');
}

/** What the manifest says of who wrote. A patient stands there as a keyed digest only: erasure does not reach manifests. */
function detailsOf(deps: WriteDeps, { principal, interaction, requestId }: WriteRequest): Details {
  const { issuer, subject, role, client, patient, purpose } = principal;
  const isPatient = role === 'patient';
  return {
    interaction,
    requestId,
    agent: {
      issuer,
      role,
      purpose,
      ...(client === undefined ? {} : { client }),
      ...(isPatient ? {} : { subject }),
      ...(isPatient && patient !== undefined
        ? { patient: resourceKey(deps.keyring.gatewaySecret, 'Patient', patient) }
        : {}),
    },
  };
}

async function recordDenial(deps: WriteDeps, request: WriteRequest, { asked, reasons }: Denied): Promise<void> {
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

async function isPatient(deps: WriteDeps, patient: ResourceKey | undefined): Promise<boolean> {
  return patient !== undefined && (await deps.keyring.patientSecrets([patient])).has(patient);
}

async function recordMissing(deps: WriteDeps, request: WriteRequest, reference: string): Promise<void> {
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
