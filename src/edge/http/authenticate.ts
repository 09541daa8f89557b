/** Bearer tokens (RFC 6750): from the Authorization header to a Principal. Tokens in the URL or body are not looked at. */
import { GatewayError } from '../../core/errors.ts';
import type { Principal } from '../../core/principal.ts';
import type { TokenVerifier } from '../../identity/verify-token.ts';

/** Throws `unauthenticated` for no token or a bad one, `unavailable` when the issuer's keys cannot be had. */
export type Authenticate = (authorization: string | undefined) => Promise<Principal>;

const BEARER = /^Bearer +([A-Za-z0-9\-._~+/]+=*) *$/i;

export function bearerAuthentication(verifier: TokenVerifier): Authenticate {
  return async (authorization) => {
    if (authorization === undefined)
      throw new GatewayError('unauthenticated', 'an access token is needed: Authorization: Bearer ...');
    const token = BEARER.exec(authorization)?.[1];
    if (token === undefined)
      throw new GatewayError('unauthenticated', 'the Authorization header must be Bearer and one token');
    const verified = await verifier.verify(token);
    if ('principal' in verified) return verified.principal;
    if (verified.fault === 'keys-unavailable') throw new GatewayError('unavailable', verified.detail);
    throw new GatewayError('unauthenticated', `the access token was refused: ${verified.detail}`);
  };
}
