/**
 * Whether a provision applies to a request: its conditions are ANDed. Each answers yes, no, unknown (cannot be told at
 * all) or later (only the opened record tells).
 */
import type { Interaction, Principal, Purpose } from '../core/principal.ts';
import type { Resource } from '../formats/fhir/resource.ts';
import type { Label } from '../labels/label.ts';
import { actionMatch, purposeMatch, type Match } from './consent-codes.ts';
import { authoredMatch, classMatch, codeMatch, dataMatch, dataPeriodMatch } from './data-match.ts';
import { labelMatch } from './label-match.ts';
import type { Actor, Condition, Provision, RuleType } from './model.ts';
import { anyOf, custodianMatch, recipientMatch } from './party-match.ts';
import type { Policy } from './policy.ts';

/** All that a provision is matched against. */
export interface Facts {
  readonly principal: Principal;
  readonly purpose: Purpose;
  readonly action: Interaction;
  readonly labels: readonly Label[];
  /** Resource type, when it is known. */
  readonly type: string | undefined;
  /** The record, once it is opened. */
  readonly resource: Resource | undefined;
  readonly policy: Policy;
  /** Milliseconds since 1970. */
  readonly now: number;
}

function actorMatch(actor: Actor, facts: Facts): Match {
  switch (actor.part) {
    case 'recipient':
      return recipientMatch(facts.principal, actor, facts.policy);
    case 'author':
      return authoredMatch(actor.party, facts.resource, facts.policy);
    case 'custodian':
      return custodianMatch(actor.party, facts.policy);
    case 'not-understood':
      return 'unknown';
  }
}

function conditionMatch(type: RuleType, condition: Condition, facts: Facts): Match {
  switch (condition.kind) {
    case 'period':
      return facts.now >= condition.interval.start && facts.now < condition.interval.end ? 'yes' : 'no';
    case 'actor':
      return anyOf(condition.actors.map((actor) => actorMatch(actor, facts)));
    case 'action':
      return anyOf(condition.codes.map((coding) => actionMatch(coding, facts.action, !facts.principal.ownInstitution)));
    case 'purpose':
      return anyOf(condition.codes.map((coding) => purposeMatch(type, coding, facts.purpose)));
    case 'securityLabel':
      return labelMatch(type, condition.codes, facts.labels, facts.resource);
    case 'class':
      return anyOf(condition.codes.map((coding) => classMatch(coding, facts.type, facts.resource)));
    case 'code':
      return codeMatch(condition.codes, condition.textOnly, facts.resource);
    case 'dataPeriod':
      return dataPeriodMatch(type, condition.interval, facts.resource);
    case 'data':
      return anyOf(condition.data.map((item) => dataMatch(item.meaning, item.party, facts.resource, facts.policy)));
    case 'not-understood':
      return 'unknown';
  }
}

/** No beats later beats unknown beats yes: what is surely not met ends it, what the record decides waits for it. */
export function provisionMatch(provision: Provision, facts: Facts): Match {
  let result: Match = 'yes';
  for (const condition of provision.conditions) {
    const match = conditionMatch(provision.type, condition, facts);
    if (match === 'no') return 'no';
    if (match === 'later' || (match === 'unknown' && result === 'yes')) result = match;
  }
  return result;
}
