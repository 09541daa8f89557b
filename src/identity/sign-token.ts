/**
 * Access tokens of the built-in issuer (RFC 9068: `typ: at+jwt`, ES256), for `anamnesis token` and the demo. Who may read
 * the key file may make any token; there is no other check here.
 */
import { SignJWT } from 'jose';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { parseLogicalId } from '../core/ids.ts';
import type { Role } from '../core/principal.ts';
import { randomUuid, type Random } from '../core/random.ts';
import { DEFAULT_PURPOSE, isPurpose, isRole } from './claims.ts';
import { ownIssuerName, thumbprint, type IssuerKeys } from './own-issuer.ts';
import { parseScopes } from './scopes.ts';

/** Seconds for which a token is valid unless asked otherwise. */
export const TOKEN_DEFAULT_TTL = 3600;
/** Seconds for which a token can be valid at most: a week, since a token cannot be called back. */
export const TOKEN_MAX_TTL = 7 * 86_400;
/** Milliseconds after which no token of a replaced key can be valid. */
export const TOKEN_LIFE_MS = (TOKEN_MAX_TTL + 60) * 1000;

/** Scopes of a token that asks for none. */
export const DEFAULT_SCOPES: Readonly<Record<Role, string>> = {
  practitioner: 'user/*.cruds',
  patient: 'patient/*.rs patient/Consent.cruds',
  system: 'system/*.cruds',
  researcher: 'user/*.rs',
};

/** What the token is to say. Texts as a person typed them; they are checked here. */
export interface TokenRequest {
  readonly role: string;
  readonly subject: string;
  /** FHIR logical id of the Patient; required for role patient. */
  readonly patient?: string;
  readonly purpose?: string;
  readonly scope?: string;
  readonly ttlSeconds?: number;
  /** Default for practitioners: `Practitioner/<subject>` where the subject is a FHIR id, so that a Consent can name them. */
  readonly fhirUser?: string;
  /** A FHIR reference or `system|value`. */
  readonly organization?: string;
  readonly client?: string;
}

export interface SigningIssuer {
  readonly origin: string;
  readonly audience: string;
  readonly key: IssuerKeys;
}

function invalid(message: string): never {
  throw new GatewayError('invalid-content', message);
}

/** Signs a token. Throws `invalid-content` with what to mend. */
export async function issueToken(
  issuer: SigningIssuer,
  request: TokenRequest,
  clock: Clock,
  random: Random,
): Promise<string> {
  const { role, subject, patient } = request;
  if (!isRole(role)) return invalid('the role is one of practitioner, patient, system, researcher');
  if (subject.trim() === '') return invalid('a token needs a subject');
  if (role === 'patient' && patient === undefined) return invalid('a patient token needs the id of the Patient');
  if (patient !== undefined && parseLogicalId(patient) === undefined)
    return invalid('the patient is given by its FHIR id');
  const purpose = request.purpose ?? DEFAULT_PURPOSE[role];
  if (!isPurpose(purpose)) return invalid('the purpose is a v3-PurposeOfUse code such as TREAT');
  const scope = request.scope ?? DEFAULT_SCOPES[role];
  const parsed = parseScopes(scope);
  if ('error' in parsed) return invalid(parsed.error);
  const ttl = request.ttlSeconds ?? TOKEN_DEFAULT_TTL;
  if (!Number.isInteger(ttl) || ttl < 1 || ttl > TOKEN_MAX_TTL) {
    return invalid(`a token is valid for 1 to ${TOKEN_MAX_TTL} seconds`);
  }
  const fhirUser = request.fhirUser ?? defaultUser(role, subject, patient);
  const now = Math.floor(clock.now() / 1000);
  const claims = {
    role,
    purpose_of_use: purpose,
    scope,
    client_id: request.client ?? 'anamnesis-cli',
    ...(patient === undefined ? {} : { patient }),
    ...(fhirUser === undefined ? {} : { fhirUser }),
    ...(request.organization === undefined ? {} : { organization: request.organization }),
  };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: thumbprint(issuer.key.publicKey) })
    .setIssuer(ownIssuerName(issuer.origin))
    .setSubject(subject)
    .setAudience(issuer.audience)
    .setIssuedAt(now)
    .setExpirationTime(now + ttl)
    .setJti(randomUuid(random))
    .sign(issuer.key.privateKey);
}

function defaultUser(role: Role, subject: string, patient: string | undefined): string | undefined {
  if (role === 'patient') return `Patient/${patient ?? ''}`;
  return role !== 'system' && parseLogicalId(subject) !== undefined ? `Practitioner/${subject}` : undefined;
}
