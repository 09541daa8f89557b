/**
 * Checks a bearer token (RFC 9068, RFC 8725) and makes the Principal. Only issuers of the allow-list, each with its own
 * algorithms and roles; audience, expiry and type are required. jose does the cryptography. Verified tokens are kept by
 * their SHA-256 until they expire, since a signature check costs more than the read that it guards.
 */
import { createHash, type KeyObject } from 'node:crypto';
import { decodeJwt, errors, jwtVerify, type JWTVerifyGetKey } from 'jose';
import type { Clock } from '../core/clock.ts';
import { Lru } from '../core/lru.ts';
import type { Principal } from '../core/principal.ts';
import { principalOf, type IssuerTrust } from './claims.ts';

/** Bytes of a token that is looked at. */
export const TOKEN_MAX_BYTES = 8192;
/** Seconds by which clocks may differ. */
export const TOKEN_SKEW_SECONDS = 5;
/** Verified tokens that are kept. */
const CACHE_ENTRIES = 10_000;

export interface TokenIssuer extends IssuerTrust {
  /** JOSE algorithms, asymmetric only. */
  readonly algorithms: readonly string[];
  /** Accepted `typ` values, lower case without `application/`; the empty text stands for an absent one. */
  readonly types: readonly string[];
  /** One public key, or where to find keys by the token's header (`clients/jwks`). */
  readonly keys: KeyObject | JWTVerifyGetKey;
}

/** Algorithms that an external issuer may use unless configured otherwise. */
export const EXTERNAL_ALGORITHMS: readonly string[] = [
  'ES256',
  'ES384',
  'ES512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'EdDSA',
  'Ed25519',
];

export type TokenFault =
  | 'malformed'
  | 'unknown-issuer'
  | 'invalid-signature'
  | 'expired'
  | 'not-yet-valid'
  | 'wrong-audience'
  | 'wrong-type'
  | 'claims'
  | 'keys-unavailable';

/** `detail` tells the client's developer what to mend; it holds nothing of the token. */
export type Verification =
  | { readonly principal: Principal; readonly expiresAt: number }
  | { readonly fault: TokenFault; readonly detail: string };

export interface TokenVerifier {
  /** Never throws for a bad token. Idempotent. `keys-unavailable` is for the caller to answer as 503. */
  verify(token: string): Promise<Verification>;
  /** Forgets what was verified, so that a suspension takes effect on the next request. */
  clear(): void;
}

export interface VerifierSettings {
  readonly issuers: readonly TokenIssuer[];
  /** Required `aud`. */
  readonly audience: string;
}

function faultOf(thrown: unknown): Verification {
  if (thrown instanceof errors.JWTExpired) return { fault: 'expired', detail: 'the token has expired' };
  if (thrown instanceof errors.JWTClaimValidationFailed) {
    if (thrown.claim === 'nbf' || thrown.claim === 'iat')
      return { fault: 'not-yet-valid', detail: 'the token is not valid yet' };
    if (thrown.claim === 'aud') return { fault: 'wrong-audience', detail: 'the token is for another audience' };
    return { fault: 'claims', detail: 'a required claim (iss, sub, aud, exp) is missing or wrong' };
  }
  if (thrown instanceof errors.JWSInvalid || thrown instanceof errors.JWTInvalid) {
    return { fault: 'malformed', detail: 'not a signed JWT' };
  }
  if (thrown instanceof errors.JWKSTimeout)
    return { fault: 'keys-unavailable', detail: 'the keys of the issuer are out of reach' };
  if (
    thrown instanceof errors.JWSSignatureVerificationFailed ||
    thrown instanceof errors.JOSEAlgNotAllowed ||
    thrown instanceof errors.JWKSNoMatchingKey ||
    thrown instanceof errors.JWKSMultipleMatchingKeys ||
    thrown instanceof errors.JOSENotSupported ||
    thrown instanceof TypeError
  ) {
    return { fault: 'invalid-signature', detail: 'the signature, key or algorithm is not acceptable' };
  }
  return { fault: 'keys-unavailable', detail: 'the keys of the issuer are out of reach' };
}

function issuerOf(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}

async function check(token: string, settings: VerifierSettings, now: number): Promise<Verification> {
  const name = issuerOf(token);
  if (name === undefined) return { fault: 'malformed', detail: 'not a signed JWT with an issuer' };
  const issuer = settings.issuers.find((known) => known.issuer === name);
  if (issuer === undefined)
    return { fault: 'unknown-issuer', detail: 'the issuer is not one that this gateway accepts' };
  const options = {
    issuer: issuer.issuer,
    audience: settings.audience,
    algorithms: [...issuer.algorithms],
    clockTolerance: TOKEN_SKEW_SECONDS,
    currentDate: new Date(now),
    requiredClaims: ['sub', 'exp', 'aud', 'iss'],
  };
  try {
    const { keys } = issuer;
    const verified =
      typeof keys === 'function' ? await jwtVerify(token, keys, options) : await jwtVerify(token, keys, options);
    const type = (verified.protectedHeader.typ ?? '').toLowerCase().replace(/^application\//, '');
    if (!issuer.types.includes(type)) return { fault: 'wrong-type', detail: 'not an access token (header typ)' };
    const { iat, exp } = verified.payload;
    if (iat !== undefined && iat * 1000 > now + TOKEN_SKEW_SECONDS * 1000) {
      return { fault: 'not-yet-valid', detail: 'the token was issued in the future' };
    }
    const parsed = principalOf(verified.payload, issuer);
    if ('error' in parsed) return { fault: 'claims', detail: parsed.error };
    return { principal: parsed.principal, expiresAt: (exp ?? 0) * 1000 };
  } catch (thrown) {
    return faultOf(thrown);
  }
}

/** A verifier with its own cache of verified tokens. Refused tokens are not kept. */
export function createTokenVerifier(settings: VerifierSettings, clock: Clock): TokenVerifier {
  let cache = new Lru<string, Extract<Verification, { principal: Principal }>>(CACHE_ENTRIES);
  return {
    async verify(token) {
      if (token.length > TOKEN_MAX_BYTES)
        return { fault: 'malformed', detail: `a token has at most ${TOKEN_MAX_BYTES} bytes` };
      const key = createHash('sha256').update(token).digest('base64');
      const now = clock.now();
      const known = cache.get(key);
      if (known !== undefined) {
        if (now < known.expiresAt + TOKEN_SKEW_SECONDS * 1000) return known;
        cache.delete(key);
        return { fault: 'expired', detail: 'the token has expired' };
      }
      const mine = cache;
      const verification = await check(token, settings, now);
      // A token whose check began before `clear` does not come back through it.
      if ('principal' in verification && mine === cache) cache.set(key, verification);
      return verification;
    },
    clear() {
      cache = new Lru(CACHE_ENTRIES);
    },
  };
}
