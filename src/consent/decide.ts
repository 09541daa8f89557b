/**
 * The one place where access is decided (DESIGN section 8). Pure: the same request gives the same decision. In order:
 * what is never served, scopes, then by kind of record: the patient's own, the directory, the audit trail, Consents
 * themselves, and clinical records by the patient's Consents (deny overrides) and, where they are silent, the default.
 *
 * What only the opened record can tell is left to the permit's residual predicate, which decides again with the record.
 */
import type { ResourceKey } from '../core/ids.ts';
import type { Interaction, Principal, Purpose } from '../core/principal.ts';
import type { Resource } from '../formats/fhir/resource.ts';
import { labelsIn, type Label, type LabelSet } from '../labels/label.ts';
import { latestVersions, possibilities, setAside, type Possibilities } from './evaluate.ts';
import type { Facts } from './match.ts';
import { consentReference, type ConsentRule } from './model.ts';
import { mintPermit, type Decision, type Denial, type ResidualPredicate } from './permit.ts';
import { combinerOf, defaultRule, type Policy, type RecordKind } from './policy.ts';
import { scopeAllows } from './scope-check.ts';

/** Whose record it is. */
export type Subject =
  | {
      readonly kind: 'patient';
      readonly patient: ResourceKey;
      /** True when this patient, or one linked to it by a merge, is the one that the token is bound to (`Principal.patient`). */
      readonly isPrincipal: boolean;
    }
  /** No patient: the institution's directory. */
  | { readonly kind: 'directory' };

export interface DecisionRequest {
  readonly principal: Principal;
  /** Mostly the principal's; kept apart because a request may narrow it. */
  readonly purpose: Purpose;
  readonly action: Interaction;
  readonly subject: Subject;
  /** Resource type when it is known before opening; else the residual predicate sees to it. */
  readonly type?: string;
  readonly labels: LabelSet;
  /** Current versions of all Consents of the patient, whatever their status; of merged patients, those of all charts. */
  readonly consents: readonly ConsentRule[];
  readonly policy: Policy;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Lockboxes of the gateway itself, which no principal reads. */
const NEVER_SERVED: readonly Label[] = ['RAW', 'MANIFEST', 'RESEARCH'];

/** What kind of record a label set holds, for the default rules. */
export function recordKind(labels: readonly Label[]): RecordKind {
  if (labels.includes('AUDIT')) return 'audit';
  if (labels.includes('CONSENT')) return 'consent';
  return labels.includes('DIRECTORY') ? 'directory' : 'clinical';
}

/**
 * Whether the caller may learn that the patient exists: the patient, and staff and systems of this institution. Others
 * get 404 where these get 403.
 */
export function mayKnowPatient(principal: Principal, subject: Subject): boolean {
  if (subject.kind === 'directory' || subject.isPrincipal) return true;
  return principal.ownInstitution && (principal.role === 'practitioner' || principal.role === 'system');
}

function factsOf(request: DecisionRequest, labels: readonly Label[], resource: Resource | undefined): Facts {
  const { principal, purpose, action, policy, now } = request;
  return { principal, purpose, action, labels, type: resource?.resourceType ?? request.type, resource, policy, now };
}

/** Deny overrides: whether all Consents together, and the default behind them, can still permit. */
function canPermit(answers: readonly Possibilities[], byDefault: boolean): boolean {
  if (answers.some((answer) => answer.deny && !answer.permit && !answer.silent)) return false;
  return byDefault || answers.some((answer) => answer.permit);
}

/** Decides. Reasons are stable codes; docs/consent.md lists them. */
export function decide(request: DecisionRequest): Decision {
  const { principal, purpose, action, subject, type, policy } = request;
  const labels = labelsIn(request.labels);
  const combiner = combinerOf(policy);
  const own = subject.kind === 'directory' || subject.isPrincipal;
  const kind = recordKind(labels);

  const deny = (reason: string, consents: readonly string[] = [], more: readonly string[] = []): Denial => ({
    kind: 'denial',
    reasons: [reason, ...more],
    combiner,
    consents,
    mayKnowPatient: mayKnowPatient(principal, subject),
  });
  const permit = (
    reason: string,
    residual?: ResidualPredicate,
    consents: readonly string[] = [],
    more: readonly string[] = [],
  ): Decision => {
    const inScope: ResidualPredicate = (resource) => scopeAllows(principal, action, resource.resourceType, own);
    return mintPermit({
      patient: subject.kind === 'patient' ? subject.patient : undefined,
      labels: request.labels,
      residual: residual === undefined ? inScope : (resource) => inScope(resource) && residual(resource),
      mayKnowPatient: mayKnowPatient(principal, subject),
      reasons: [reason, ...more],
      combiner,
      consents,
    });
  };

  if (labels.some((label) => NEVER_SERVED.includes(label))) return deny('never-served');
  if (!scopeAllows(principal, action, type, own)) return deny('scope');
  if (purpose === 'BTG') return deny('break-glass-not-available');
  if ((subject.kind === 'directory') !== (kind === 'directory')) {
    // The gateway's own audit lockbox (no patient) is for operators; anything else of this kind is a mistake of the caller.
    return deny('never-served');
  }
  if (kind === 'audit' && (action === 'update' || action === 'delete')) return deny('audit-is-append-only');

  const rule = defaultRule(policy, principal, purpose, action, kind);
  if (principal.role === 'patient') {
    // The patient's Consents speak to others. A patient reads all that is theirs and writes only their Consents.
    if (!own) return deny('other-patient');
    return rule === undefined ? deny('patient-may-not-write') : permit(rule.id);
  }
  if (kind !== 'clinical') return rule === undefined ? deny('default-deny') : permit(rule.id);

  const consents = latestVersions(request.consents).filter((consent) => setAside(consent) === undefined);
  const facts = factsOf(request, labels, undefined);
  const answers = consents.map((consent) => possibilities(consent, facts));
  const speaking = consents.filter((_, index) => answers[index]?.deny === true || answers[index]?.permit === true);
  const named = speaking.map(consentReference);
  const denied = answers.some((answer) => answer.deny);
  // A Consent that fails closed says so.
  const unclear = speaking.some((consent) => consent.notUnderstood.length > 0) ? ['consent-not-understood'] : [];
  if (!canPermit(answers, rule !== undefined)) return deny(denied ? 'consent-deny' : 'default-deny', named, unclear);
  const reason = denied ? 'consent-conditional' : answers.some((answer) => answer.permit) ? 'consent-permit' : rule?.id;
  if (named.length === 0) return permit(reason ?? 'default-deny');
  return permit(
    reason ?? 'consent-permit',
    (resource) => {
      const opened = factsOf(request, labels, resource);
      return canPermit(
        speaking.map((consent) => possibilities(consent, opened)),
        rule !== undefined,
      );
    },
    named,
    unclear,
  );
}
