/**
 * Keys of external token issuers by their JWK Set URL (RFC 7517), for the allow-list of `identity/verify-token`. Only
 * https, or http on the loopback; a deadline, a size limit, no redirects; kept for ten minutes, and fetched again for an
 * unknown key id at most every 30 seconds, so that tokens with made-up key ids do not turn the gateway on its issuer.
 */
import { createRemoteJWKSet, customFetch, type FetchImplementation, type JWTVerifyGetKey } from 'jose';
import { GatewayError } from '../core/errors.ts';

/** Milliseconds for one fetch. */
const TIMEOUT_MS = 5_000;
/** Milliseconds between two fetches. */
const COOLDOWN_MS = 30_000;
/** Milliseconds for which a set is used without asking again. */
const MAX_AGE_MS = 600_000;
/** Bytes of a key set. */
const MAX_BYTES = 262_144;

const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost']);

/** True for a URL that keys may come from. */
export function isKeyUrl(url: URL): boolean {
  return url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.has(url.hostname));
}

/** Reads a body up to MAX_BYTES; the rest is never taken from the socket. */
async function bounded(response: Response): Promise<Response> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_BYTES) throw new GatewayError('unavailable', 'the key set of an issuer is too large');
    chunks.push(chunk);
  }
  return new Response(Buffer.concat(chunks), {
    status: response.status,
    headers: { 'content-type': 'application/json' },
  });
}

const boundedFetch: FetchImplementation = async (url, options) =>
  bounded(await fetch(url, { ...options, redirect: 'error' }));

/**
 * Keys behind one URL. Nothing is fetched before the first token of that issuer. The function throws what jose throws;
 * `verifyToken` turns that into `keys-unavailable`. Throws `invalid-content` for a URL that keys must not come from.
 */
export function remoteKeys(jwksUri: string): JWTVerifyGetKey {
  const url = URL.canParse(jwksUri) ? new URL(jwksUri) : undefined;
  if (url === undefined || !isKeyUrl(url)) {
    throw new GatewayError('invalid-content', 'keys of an issuer come by https, or by http from the loopback');
  }
  return createRemoteJWKSet(url, {
    timeoutDuration: TIMEOUT_MS,
    cooldownDuration: COOLDOWN_MS,
    cacheMaxAge: MAX_AGE_MS,
    [customFetch]: boundedFetch,
  });
}
