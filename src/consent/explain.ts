/**
 * Why a decision came out as it did, for the patient, the clinician and the privacy officer: which Consents took part,
 * what each can still say, which provisions matched, what was not understood, and which default stands behind them. Codes
 * and FHIRPaths only; never a value of a record.
 */
import type { Resource } from '../formats/fhir/resource.ts';
import { labelsIn } from '../labels/label.ts';
import type { Match } from './consent-codes.ts';
import { decide, recordKind, type DecisionRequest } from './decide.ts';
import { latestVersions, possibilities, setAside, type Aside, type Possibilities } from './evaluate.ts';
import { provisionMatch, type Facts } from './match.ts';
import { consentReference, type ConsentRule, type Provision, type RuleType } from './model.ts';
import { defaultRule } from './policy.ts';

export interface ProvisionTrace {
  /** FHIRPath inside the Consent. */
  readonly path: string;
  readonly type: RuleType;
  readonly match: Match;
}

export interface ConsentTrace {
  /** `Consent/<id>/_history/<version>`. */
  readonly consent: string;
  /** Why it takes no part; undefined when it does. */
  readonly aside: Aside | undefined;
  /** What it says, or can still say before the record is opened. */
  readonly answer: Possibilities | undefined;
  /** Every provision that was looked at; below one that surely does not match none is. */
  readonly provisions: readonly ProvisionTrace[];
  /** FHIRPaths of what could not be evaluated and therefore counts against access. */
  readonly notUnderstood: readonly string[];
}

export interface Explanation {
  readonly outcome: 'permit' | 'denial';
  readonly reasons: readonly string[];
  readonly combiner: string;
  readonly consents: readonly ConsentTrace[];
  /** Code of the default rule that would permit without any Consent; undefined: the default is to deny. */
  readonly defaultRule: string | undefined;
}

function trace(provision: Provision, facts: Facts, into: ProvisionTrace[]): void {
  const match = provisionMatch(provision, facts);
  into.push({ path: provision.path, type: provision.type, match });
  if (match === 'no') return;
  for (const child of provision.provisions) trace(child, facts, into);
}

/** Explains the decision; with `resource`, the one after opening, residual predicate included. */
export function explain(request: DecisionRequest, resource?: Resource): Explanation {
  const decision = decide(request);
  const { principal, purpose, action, policy, now } = request;
  const labels = labelsIn(request.labels);
  const facts: Facts = {
    principal,
    purpose,
    action,
    labels,
    type: resource?.resourceType ?? request.type,
    resource,
    policy,
    now,
  };
  const newest = latestVersions(request.consents);
  const consents = request.consents.map((rule): ConsentTrace => explainConsent(rule, facts, newest.includes(rule)));
  const permits = decision.kind === 'permit' && (resource === undefined || decision.residual(resource));
  return {
    outcome: permits ? 'permit' : 'denial',
    reasons: permits || decision.kind === 'denial' ? decision.reasons : ['record-refused'],
    combiner: decision.combiner,
    consents,
    defaultRule: defaultRule(policy, principal, purpose, action, recordKind(labels))?.id,
  };
}

function explainConsent(rule: ConsentRule, facts: Facts, newest: boolean): ConsentTrace {
  const aside = newest ? setAside(rule) : 'superseded';
  const provisions: ProvisionTrace[] = [];
  if (aside === undefined) trace(rule.base, facts, provisions);
  return {
    consent: consentReference(rule),
    aside,
    answer: aside === undefined ? possibilities(rule, facts) : undefined,
    provisions,
    notUnderstood: rule.notUnderstood,
  };
}
