/**
 * What one Consent says about a request. In each branch of provisions the deepest that matches speaks; where branches
 * disagree, deny. What cannot be told is taken against the one who asks: it matches where that denies, and does not
 * where that permits.
 *
 * Before a record is opened several answers can be possible; `possibilities` gives all of them, so that a decision can
 * deny at once what no content could permit. With the opened record exactly one remains.
 */
import type { Interaction } from '../core/principal.ts';
import { actionMatch, purposeMatch } from './consent-codes.ts';
import type { ConsentRule, Provision } from './model.ts';
import { provisionMatch, type Facts } from './match.ts';

/** Answers that are possible; `silent`: the Consent does not speak of this request. */
export interface Possibilities {
  readonly deny: boolean;
  readonly permit: boolean;
  readonly silent: boolean;
}

const SILENT: Possibilities = { deny: false, permit: false, silent: true };

/** Of a provision that matches: whether its branch can end in a denial, and whether it can end in a permission. */
function branch(provision: Provision, facts: Facts): { readonly deny: boolean; readonly permit: boolean } {
  let certain = false;
  let hopeful = false;
  let deny = false;
  let permit = true;
  for (const child of provision.provisions) {
    const match = provisionMatch(child, facts);
    if (match === 'no') continue;
    const inner = branch(child, facts);
    deny ||= inner.deny;
    if (match === 'later') hopeful ||= inner.permit;
    else permit &&= inner.permit;
    certain ||= match === 'yes';
  }
  const ownDenial = provision.type === 'deny' && !certain;
  return { deny: deny || ownDenial, permit: permit && (!ownDenial || hopeful) };
}

/** True when a permitting provision of the tree that does not surely fail meets `test`. */
function permitSays(provision: Provision, facts: Facts, test: (provision: Provision) => boolean): boolean {
  if (provisionMatch(provision, facts) === 'no') return false;
  if (provision.type === 'permit' && test(provision)) return true;
  return provision.provisions.some((child) => permitSays(child, facts, test));
}

function namesAnyAction(provision: Provision): boolean {
  return (
    provision.conditions.some((condition) => condition.kind === 'action') || provision.provisions.some(namesAnyAction)
  );
}

const READS: readonly Interaction[] = ['read', 'search'];

/**
 * A permission is never wider than what it was understood to be when it was signed: purposes other than treatment, and
 * writing, must be named by it.
 */
function isNamed(rule: ConsentRule, facts: Facts): boolean {
  const purposeNamed =
    facts.purpose === 'TREAT' ||
    facts.purpose === 'ETREAT' ||
    permitSays(rule.base, facts, (provision) =>
      provision.conditions.some(
        (condition) =>
          condition.kind === 'purpose' &&
          condition.codes.some((coding) => purposeMatch('permit', coding, facts.purpose) === 'yes'),
      ),
    );
  const actionNamed =
    READS.includes(facts.action) ||
    permitSays(rule.base, facts, (provision) =>
      provision.conditions.some(
        (condition) =>
          condition.kind === 'action' &&
          condition.codes.some(
            (coding) => actionMatch(coding, facts.action, !facts.principal.ownInstitution) === 'yes',
          ),
      ),
    );
  return purposeNamed && actionNamed;
}

/** The answers that a Consent can still give. */
export function possibilities(rule: ConsentRule, facts: Facts): Possibilities {
  // R4, provision.action: "the only action in the understood and tested scope is 'read'". Writing is spoken of by name.
  if (!READS.includes(facts.action) && !namesAnyAction(rule.base)) return SILENT;
  const match = provisionMatch(rule.base, facts);
  if (match === 'no') return SILENT;
  const { deny, permit } = branch(rule.base, facts);
  const counts = permit && isNamed(rule, facts) && !(facts.policy.verifiedOnly && rule.verified !== true);
  if (match === 'unknown') return { deny, permit: false, silent: permit };
  return { deny, permit: counts, silent: match === 'later' || (permit && !counts) };
}

/** Why a Consent is left aside; undefined when it takes part. */
export type Aside = 'not-active' | 'not-privacy' | 'superseded';

/** Whether a Consent takes part at all. Its period is a condition of its base rule. */
export function setAside(rule: ConsentRule): Aside | undefined {
  if (rule.status !== 'active') return 'not-active';
  return rule.privacy ? undefined : 'not-privacy';
}

/** The newest version of each Consent; a newer version replaces an older one whatever it says. */
export function latestVersions(rules: readonly ConsentRule[]): readonly ConsentRule[] {
  if (rules.length < 2) return rules;
  const newest = new Map<string, ConsentRule>();
  for (const rule of rules) {
    const known = newest.get(rule.id);
    if (known === undefined || rule.lastUpdated >= known.lastUpdated) newest.set(rule.id, rule);
  }
  return [...newest.values()];
}
