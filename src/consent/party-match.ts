/**
 * Whether a party that a Consent names is the one who asks, or the author of a record. Nothing is resolved over the
 * network: membership of groups and care teams, and references to other servers, cannot be told (`unknown`).
 */
import type { Principal } from '../core/principal.ts';
import { kindMatch, type Match } from './consent-codes.ts';
import type { Actor, Identifier, Party } from './model.ts';
import type { Policy } from './policy.ts';

/** A reference without version and without our own base: `Type/id`, or an absolute URL of somebody else. */
export function localReference(reference: string, policy: Policy): string {
  const [bare = ''] = reference.split('/_history/');
  for (const base of policy.ownBases) {
    if (bare.startsWith(`${base}/`)) return bare.slice(base.length + 1);
  }
  return bare;
}

/** Whether two references mean the same resource. The same `Type/id` on another server may or may not be it. */
export function sameReference(a: string, b: string, policy: Policy): Match {
  const left = localReference(a, policy);
  const right = localReference(b, policy);
  if (left === right) return 'yes';
  const tail = (text: string): string => text.split('/').slice(-2).join('/');
  return left.includes('://') !== right.includes('://') && tail(left) === tail(right) ? 'unknown' : 'no';
}

/** The best of several alternatives (repetitions are ORed): yes, later, unknown, no. */
export function anyOf(matches: readonly Match[]): Match {
  if (matches.includes('yes')) return 'yes';
  if (matches.includes('later')) return 'later';
  return matches.includes('unknown') ? 'unknown' : 'no';
}

function typeOf(reference: string): string {
  return reference.split('/').at(-2) ?? '';
}

/**
 * A reference as the principal claims it. What another institution's token says by local reference is in that
 * institution's own terms: it may look like one of ours and never is.
 */
function claimed(principal: Principal, reference: string, policy: Policy): string {
  const local = localReference(reference, policy);
  return principal.ownInstitution || local.includes('://') ? local : `${principal.issuer}/${local}`;
}

function isIdentifier(organization: string): boolean {
  return organization.includes('|');
}

/** The organisations that the principal acts for: as the token says, and this institution for its own. */
function organizationsOf(principal: Principal, policy: Policy): readonly string[] {
  const { organization } = principal;
  const own = principal.ownInstitution ? policy.ownOrganizations : [];
  if (organization === undefined) return own;
  return [isIdentifier(organization) ? organization : claimed(principal, organization, policy), ...own];
}

function organizationMatch(principal: Principal, name: string, policy: Policy): Match {
  const known = organizationsOf(principal, policy);
  const match = anyOf(known.filter((text) => !isIdentifier(text)).map((text) => sameReference(name, text, policy)));
  // An organisation that is known by identifier alone may be the one that is meant.
  const decided = known.length > 0 && (principal.organization === undefined || !isIdentifier(principal.organization));
  return match === 'no' && !(decided && known.some((text) => !isIdentifier(text))) ? 'unknown' : match;
}

function personMatch(principal: Principal, reference: string, policy: Policy): Match {
  if (principal.role === 'patient') {
    return sameReference(reference, principal.fhirUser ?? `Patient/${principal.patient ?? ''}`, policy);
  }
  // Who does not say who they are may be anybody: a token gains nothing by leaving it out.
  if (principal.fhirUser === undefined) return principal.role === 'system' ? 'no' : 'unknown';
  const user = claimed(principal, principal.fhirUser, policy);
  return typeOf(user) === typeOf(reference) ? sameReference(reference, user, policy) : 'unknown';
}

function referenceMatch(principal: Principal, reference: string, policy: Policy): Match {
  const local = localReference(reference, policy);
  switch (typeOf(local)) {
    case 'Practitioner':
      return personMatch(principal, local, policy);
    case 'Organization':
      return principal.role === 'patient' ? 'no' : organizationMatch(principal, local, policy);
    case 'Patient':
    case 'RelatedPerson':
      return principal.role === 'patient' ? personMatch(principal, local, policy) : 'no';
    case 'PractitionerRole':
    case 'CareTeam':
    case 'Group': {
      if (principal.role === 'patient') return 'no';
      return personMatch(principal, local, policy) === 'yes' ? 'yes' : 'unknown';
    }
    case 'Device':
      if (principal.ownInstitution && local === `Device/${principal.client ?? ''}`) return 'yes';
      return principal.role === 'system' || principal.client === undefined ? 'unknown' : 'no';
    default:
      return 'unknown';
  }
}

function identifierMatch(principal: Principal, { system, value }: Identifier, policy: Policy): Match {
  const known = organizationsOf(principal, policy).filter(isIdentifier);
  if (system !== undefined && known.includes(`${system}|${value}`)) return 'yes';
  const isIssuer = system === principal.issuer || (system === undefined && principal.ownInstitution);
  if (isIssuer && principal.subject === value) return 'yes';
  if (system === principal.issuer || known.some((text) => text.startsWith(`${system ?? ''}|`))) return 'no';
  // The token does not carry the identifiers of its person: another one of theirs may be meant.
  return principal.role === 'patient' ? 'no' : 'unknown';
}

/** Whether the principal is the party. A reference that can be told decides; the identifier beside it names the same. */
export function partyMatch(principal: Principal, party: Party, policy: Policy): Match {
  const byReference = party.reference === undefined ? 'unknown' : referenceMatch(principal, party.reference, policy);
  if (byReference !== 'unknown' || party.identifier === undefined) return byReference;
  return identifierMatch(principal, party.identifier, policy);
}

/** Whether the principal is the actor, for actors whose part is to receive. */
export function recipientMatch(principal: Principal, actor: Actor, policy: Policy): Match {
  const kind = actor.kinds.length === 0 ? 'yes' : anyOf(actor.kinds.map((name) => kindMatch(name, principal.role)));
  // A named person decides by name; the kind only where nobody is named.
  return actor.party === undefined ? kind : partyMatch(principal, actor.party, policy);
}

/** Whether the party is this institution, the custodian of what the gateway serves. */
export function custodianMatch(party: Party | undefined, policy: Policy): Match {
  if (party === undefined || policy.ownOrganizations.length === 0) return 'unknown';
  const { reference, identifier } = party;
  const named = identifier === undefined ? undefined : `${identifier.system ?? ''}|${identifier.value}`;
  if (named !== undefined && policy.ownOrganizations.includes(named)) return 'yes';
  return reference === undefined
    ? 'unknown'
    : anyOf(policy.ownOrganizations.map((own) => sameReference(reference, own, policy)));
}
