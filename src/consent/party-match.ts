/**
 * Whether a party that a Consent names is the one who asks, or the author of a record. Nothing is resolved over the
 * network: membership of groups and care teams, and references to other servers, cannot be told (`unknown`).
 */
import type { Principal } from '../core/principal.ts';
import { kindMatch, type Match } from './consent-codes.ts';
import type { Actor, Party } from './model.ts';
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

function organizationMatch(principal: Principal, name: string, policy: Policy): Match {
  const own = principal.ownInstitution ? policy.ownOrganizations : [];
  const known = principal.organization === undefined ? own : [principal.organization, ...own];
  if (known.length === 0) return 'unknown';
  return anyOf(known.map((organization) => sameReference(name, organization, policy)));
}

function personMatch(principal: Principal, reference: string, policy: Policy): Match {
  if (principal.role === 'patient') {
    return sameReference(reference, principal.fhirUser ?? `Patient/${principal.patient ?? ''}`, policy);
  }
  if (principal.role === 'system')
    return principal.fhirUser === undefined ? 'no' : sameReference(reference, principal.fhirUser, policy);
  // Who does not say who they are may be anybody: a token gains nothing by leaving it out.
  return principal.fhirUser === undefined ? 'unknown' : sameReference(reference, principal.fhirUser, policy);
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
      const same = principal.fhirUser === undefined ? 'no' : sameReference(local, principal.fhirUser, policy);
      return same === 'yes' ? 'yes' : 'unknown';
    }
    case 'Device':
      if (principal.client !== undefined && sameReference(local, `Device/${principal.client}`, policy) === 'yes')
        return 'yes';
      return principal.role === 'system' || principal.client === undefined ? 'unknown' : 'no';
    default:
      return 'unknown';
  }
}

function identifierMatch(principal: Principal, party: Party, policy: Policy): Match {
  if (party.identifier === undefined) return 'unknown';
  const { system, value } = party.identifier;
  const named = system === undefined ? value : `${system}|${value}`;
  const organizations = [principal.organization, ...(principal.ownInstitution ? policy.ownOrganizations : [])];
  if (system !== undefined && organizations.includes(named)) return 'yes';
  if (
    principal.subject === value &&
    (system === principal.issuer || (system === undefined && principal.ownInstitution))
  )
    return 'yes';
  if (system === principal.issuer) return 'no';
  // The token does not carry the identifiers of its person: another one of theirs may be meant.
  return principal.role === 'patient' ? 'no' : 'unknown';
}

/** Whether the principal is the party. */
export function partyMatch(principal: Principal, party: Party, policy: Policy): Match {
  const matches: Match[] = [];
  if (party.reference !== undefined) matches.push(referenceMatch(principal, party.reference, policy));
  if (party.identifier !== undefined) matches.push(identifierMatch(principal, party, policy));
  return matches.length === 0 ? 'unknown' : anyOf(matches);
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
