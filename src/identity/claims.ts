/**
 * Claims of a verified access token (RFC 9068, SMART, with the UDAP `hl7-b2b` and IHE IUA extensions for purpose and
 * organisation) as a Principal. What is missing gets the narrowest sensible reading; what contradicts itself is refused.
 */
import { parseLogicalId } from '../core/ids.ts';
import type { Principal, Purpose, Role } from '../core/principal.ts';
import { adminRightOf } from './admin-scope.ts';
import { parseScopes } from './scopes.ts';

export type Claims = Readonly<Record<string, unknown>>;

/** What the gateway knows about the issuer, apart from its keys. */
export interface IssuerTrust {
  readonly issuer: string;
  /** True for the issuer of this institution: its practitioners and systems are "own", its patients are patients here. */
  readonly ownInstitution: boolean;
  /** Roles that this issuer may assert. */
  readonly roles: readonly Role[];
}

export type ParsedClaims = { readonly principal: Principal } | { readonly error: string };

export const ROLES: readonly Role[] = ['practitioner', 'patient', 'system', 'researcher'];

export const PURPOSES: readonly Purpose[] = [
  'TREAT',
  'ETREAT',
  'BTG',
  'HPAYMT',
  'HOPERAT',
  'HRESCH',
  'PATRQT',
  'FAMRQT',
  'PUBHLTH',
  'CLINTRCH',
];

/** Purpose of a token that names none. */
export const DEFAULT_PURPOSE: Readonly<Record<Role, Purpose>> = {
  practitioner: 'TREAT',
  patient: 'PATRQT',
  system: 'TREAT',
  researcher: 'HRESCH',
};

/** Characters of a claim that is kept. */
const MAX_CLAIM = 512;

function isObject(value: unknown): value is Claims {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= MAX_CLAIM ? value : undefined;
}

export function isRole(value: unknown): value is Role {
  return ROLES.some((role) => role === value);
}

export function isPurpose(value: unknown): value is Purpose {
  return PURPOSES.some((purpose) => purpose === value);
}

function extension(claims: Claims, name: string): Claims {
  const extensions = isObject(claims.extensions) ? claims.extensions : {};
  const found = extensions[name];
  return isObject(found) ? found : {};
}

/** `TREAT`, `urn:oid:2.16.840.1.113883.5.8#TREAT` (UDAP) or a Coding (IUA). */
function purposeCode(value: unknown): string | undefined {
  if (isObject(value)) return text(value.code);
  return text(value)?.split(/[#|]/).at(-1);
}

function purposeOf(claims: Claims, role: Role): Purpose | undefined {
  const stated =
    claims.purpose_of_use ??
    claims.purpose ??
    extension(claims, 'ihe_iua').purpose_of_use ??
    extension(claims, 'hl7-b2b').purpose_of_use;
  if (stated === undefined) return DEFAULT_PURPOSE[role];
  const codes = (Array.isArray(stated) ? stated : [stated]).map(purposeCode);
  // One purpose a token: with several nobody could tell which one a read was for.
  const [code, ...more] = codes;
  return more.length === 0 && isPurpose(code) ? code : undefined;
}

function scopeText(claims: Claims): string {
  return [claims.scope, claims.scp]
    .flat()
    .filter((part): part is string => typeof part === 'string')
    .join(' ');
}

/** The role: as claimed; else by the kind of `fhirUser`; else a client that speaks for itself is a system. */
function roleOf(claims: Claims): Role | undefined {
  if (claims.role !== undefined) return isRole(claims.role) ? claims.role : undefined;
  const user = text(claims.fhirUser)?.split('/').at(-2);
  if (user === 'Practitioner' || user === 'PractitionerRole') return 'practitioner';
  if (user === 'Patient') return 'patient';
  const client = claims.client_id ?? claims.azp;
  return user === undefined && client !== undefined && client === claims.sub ? 'system' : undefined;
}

/** The principal of verified claims. Errors say which claim to mend; they hold no claim's value. */
export function principalOf(claims: Claims, trust: IssuerTrust): ParsedClaims {
  const subject = text(claims.sub);
  if (subject === undefined) return { error: 'claim sub is missing' };
  const role = roleOf(claims);
  if (role === undefined)
    return { error: 'claim role is missing or not one of practitioner, patient, system, researcher' };
  if (!trust.roles.includes(role)) return { error: 'the issuer may not assert this role here' };
  const purpose = purposeOf(claims, role);
  if (purpose === undefined) return { error: 'the purpose of use is not exactly one known v3-PurposeOfUse code' };
  const parsed = parseScopes(scopeText(claims));
  if ('error' in parsed) return { error: parsed.error };

  const admin = adminRightOf(scopeText(claims), role, trust.ownInstitution);

  const fhirUser = text(claims.fhirUser);
  const launchPatient = text(claims.patient) ?? (role === 'patient' && fhirUser !== undefined ? fhirUser : undefined);
  const patient = launchPatient === undefined ? undefined : parseLogicalId(launchPatient.split('/').at(-1) ?? '');
  if (launchPatient !== undefined && patient === undefined) return { error: 'claim patient is not a FHIR id' };
  // Another institution's patient ids mean nothing here.
  if (patient !== undefined && !trust.ownInstitution)
    return { error: 'claim patient is taken from the own issuer alone' };
  if (role === 'patient' && patient === undefined) return { error: 'a patient token needs the claim patient' };

  const client = text(claims.client_id) ?? text(claims.azp);
  const organization =
    text(claims.organization) ??
    text(extension(claims, 'ihe_iua').subject_organization_id) ??
    text(extension(claims, 'hl7-b2b').organization_id);
  const tokenId = text(claims.jti);
  return {
    principal: {
      issuer: trust.issuer,
      subject,
      role,
      purpose,
      scopes: parsed.scopes,
      ownInstitution: trust.ownInstitution,
      ...(admin === undefined ? {} : { admin }),
      ...(client === undefined ? {} : { client }),
      ...(patient === undefined ? {} : { patient }),
      ...(fhirUser === undefined ? {} : { fhirUser }),
      ...(organization === undefined ? {} : { organization }),
      ...(tokenId === undefined ? {} : { tokenId }),
    },
  };
}
