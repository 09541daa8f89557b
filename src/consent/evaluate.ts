/**
 * What one Consent says about a request. In each branch of provisions the deepest that matches speaks; where branches
 * disagree, deny. What cannot be told is taken against the one who asks: it matches where that denies, and does not
 * where that permits. Every rule speaks for itself, so that adding a denial or removing a permission never widens access.
 *
 * Before a record is opened several answers can be possible; `possibilities` gives all of them, so that a decision can
 * deny at once what no content could permit. With the opened record exactly one remains.
 */
import type { Interaction } from '../core/principal.ts';
import { provisionMatch, type Facts } from './match.ts';
import type { ConsentRule, Provision } from './model.ts';

/** Answers that are possible; `silent`: the Consent does not speak of this request. */
export interface Possibilities {
  readonly deny: boolean;
  readonly permit: boolean;
  readonly silent: boolean;
}

const SILENT: Possibilities = { deny: false, permit: false, silent: true };

const READS: readonly Interaction[] = ['read', 'search'];

/** What the provisions from the base down to this one have named. */
interface Named {
  readonly action: boolean;
  readonly purpose: boolean;
}

/** `exempt`: an exception from a denial that grants nothing by itself. */
type Stance = 'deny' | 'permit' | 'exempt' | 'silent';

/**
 * What a provision that matches says by itself. R4, provision.action: "the only action in the understood and tested scope
 * is 'read'", so writing is spoken of by rules that name an action; but a person who may not read a record may not change
 * or delete it either. A permission is never wider than it was understood to be when it was signed: purposes other than
 * treatment must be named by it.
 */
function stance(provision: Provision, facts: Facts, named: Named): Stance {
  const deny = provision.type === 'deny';
  if (!deny && !named.purpose && facts.purpose !== 'TREAT' && facts.purpose !== 'ETREAT') return 'silent';
  if (named.action || READS.includes(facts.action)) return deny ? 'deny' : 'permit';
  if (facts.action === 'create' || facts.principal.role === 'system') return 'silent';
  return deny ? 'deny' : 'exempt';
}

interface Branch extends Possibilities {
  readonly exempt: boolean;
}

/** The answers of a branch whose top provision matches. Among its exceptions: deny, permit, exempt, then its own stance. */
function branch(provision: Provision, facts: Facts, above: Named): Branch {
  const named: Named = {
    action: above.action || provision.conditions.some((condition) => condition.kind === 'action'),
    purpose: above.purpose || provision.conditions.some((condition) => condition.kind === 'purpose'),
  };
  const own = stance(provision, facts, named);
  let deny = false;
  // Without a denial: whether none is forced, what exceptions can bring, and whether all of them can bring less.
  let open = true;
  let permitted = false;
  let exempted = false;
  let noneNeedPermit = true;
  let allCanBeSilent = true;
  for (const child of provision.provisions) {
    const match = provisionMatch(child, facts);
    if (match === 'no') continue;
    const inner = branch(child, facts, named);
    deny ||= inner.deny;
    // `unknown` counts where it denies and never where it permits; `later` may turn out to be no.
    if (match !== 'later') open &&= inner.permit || inner.exempt || inner.silent;
    if (match !== 'unknown') {
      permitted ||= inner.permit;
      exempted ||= inner.exempt;
    }
    if (match === 'yes') {
      noneNeedPermit &&= inner.exempt || inner.silent || inner.deny;
      allCanBeSilent &&= inner.silent || inner.deny;
    }
  }
  return {
    deny: deny || (own === 'deny' && allCanBeSilent),
    permit: open && (permitted || own === 'permit'),
    exempt: open && noneNeedPermit && (exempted || own === 'exempt'),
    silent: open && own === 'silent' && allCanBeSilent,
  };
}

/** The answers that a Consent can still give. */
export function possibilities(rule: ConsentRule, facts: Facts): Possibilities {
  const match = provisionMatch(rule.base, facts);
  if (match === 'no') return SILENT;
  const { exempt, ...found } = branch(rule.base, facts, { action: false, purpose: false });
  if (match === 'unknown') return { deny: found.deny, permit: false, silent: found.permit || exempt || found.silent };
  const unverified = facts.policy.verifiedOnly && rule.verified !== true;
  return {
    deny: found.deny,
    permit: found.permit && !unverified,
    silent: found.silent || exempt || match === 'later' || (found.permit && unverified),
  };
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
