/**
 * The built-in issuer: its name, its public keys as a JWK Set (RFC 7517), and the trust that the gateway puts in it. One
 * ES256 key signs, and is in this process; its id is the RFC 7638 thumbprint. Keys that it replaced are accepted until the
 * last token of theirs has expired.
 */
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { ROLES } from './claims.ts';
import type { Clock } from '../core/clock.ts';
import type { TokenIssuer } from './verify-token.ts';

/** The issuer's ES256 key pair, as the key set holds it. */
export interface IssuerKeys {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** A key that signed tokens before it was replaced. */
export interface EarlierKey {
  readonly publicKey: KeyObject;
  /** Until when a token of it can be valid, milliseconds since 1970. */
  readonly until: number;
}

/** Public part of the issuer's key (RFC 7517, RFC 7518 section 6.2). */
export interface PublicJwk {
  readonly kty: 'EC';
  readonly crv: 'P-256';
  readonly x: string;
  readonly y: string;
  readonly kid: string;
  readonly alg: 'ES256';
  readonly use: 'sig';
}

/** `iss` of the built-in issuer: the gateway's origin as an https URL. */
export function ownIssuerName(origin: string): string {
  return `https://${origin}`;
}

function coordinates(publicKey: KeyObject): { readonly x: string; readonly y: string } {
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
  return { x, y };
}

/** RFC 7638 thumbprint with SHA-256, base64url. */
export function thumbprint(publicKey: KeyObject): string {
  const { x, y } = coordinates(publicKey);
  return createHash('sha256').update(`{"crv":"P-256","kty":"EC","x":"${x}","y":"${y}"}`).digest('base64url');
}

/** The JWK Set that anyone may fetch to check tokens of this issuer. No private part. */
export function ownJwks(
  pair: Pick<IssuerKeys, 'publicKey'>,
  earlier: readonly EarlierKey[] = [],
): { readonly keys: readonly PublicJwk[] } {
  const all = [pair, ...earlier].map(({ publicKey }) =>
    publicKey.type === 'public' ? publicKey : createPublicKey(publicKey),
  );
  return {
    keys: all.map((publicKey) => {
      const kid = thumbprint(publicKey);
      return { kty: 'EC', crv: 'P-256', ...coordinates(publicKey), kid, alg: 'ES256', use: 'sig' };
    }),
  };
}

/** The built-in issuer as one of the allow-list. It may assert every role; only access tokens of type `at+jwt` count. */
export function ownIssuer(
  origin: string,
  pair: Pick<IssuerKeys, 'publicKey'>,
  earlier: readonly EarlierKey[] = [],
  clock?: Clock,
): TokenIssuer {
  const known = new Map(earlier.map((key) => [thumbprint(key.publicKey), key]));
  return {
    issuer: ownIssuerName(origin),
    ownInstitution: true,
    roles: ROLES,
    algorithms: ['ES256'],
    types: ['at+jwt'],
    keys:
      known.size === 0
        ? pair.publicKey
        : ({ kid = '' }) => {
            const old = known.get(kid);
            return old !== undefined && clock !== undefined && clock.now() < old.until ? old.publicKey : pair.publicKey;
          },
  };
}
