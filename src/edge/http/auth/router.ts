/**
 * What the built-in issuer publishes: its keys at `/auth/jwks`, and the protected resource metadata of RFC 9728 at
 * `/.well-known/oauth-protected-resource`. Public, without a token. There are no OAuth endpoints yet (no authorization,
 * no token endpoint), so neither `smart-configuration` nor RFC 8414 metadata is served: both would promise one. Tokens of
 * the built-in issuer are made by `anamnesis token`.
 */
import { Router, type NextFunction, type Request, type Response } from 'express';
import { GatewayError } from '../../../core/errors.ts';
import type { PublicJwk } from '../../../identity/own-issuer.ts';
import { errorFromHttp } from '../http-errors.ts';

export interface AuthRouterDeps {
  readonly jwks: { readonly keys: readonly PublicJwk[] };
  /** What tokens are for: their required `aud`, as an absolute URL. */
  readonly resource: string;
  /** Issuers with OAuth endpoints of their own, whose tokens are accepted. */
  readonly externalIssuers: readonly string[];
}

const PATHS = ['/auth/jwks', '/.well-known/oauth-protected-resource'] as const;

/** RFC 9728 section 2. The built-in issuer is no authorization server that a client could talk to, so it is not listed. */
function resourceMetadata(deps: AuthRouterDeps): Readonly<Record<string, unknown>> {
  return {
    resource: deps.resource,
    ...(deps.externalIssuers.length === 0 ? {} : { authorization_servers: deps.externalIssuers }),
    bearer_methods_supported: ['header'],
    scopes_supported: ['patient/*.cruds', 'user/*.cruds', 'system/*.cruds'],
  };
}

/** Mounted at the root of the listener, since both addresses are fixed. */
export function authRouter(deps: AuthRouterDeps): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const bodies = { '/auth/jwks': deps.jwks, '/.well-known/oauth-protected-resource': resourceMetadata(deps) };
  for (const path of PATHS) {
    router.get(path, (_request, response) => {
      response.set({ 'Cache-Control': 'public, max-age=600', 'Access-Control-Allow-Origin': '*' });
      response
        .type(path === '/auth/jwks' ? 'application/jwk-set+json' : 'application/json')
        .send(JSON.stringify(bodies[path]));
    });
    router.all(path, (_request, response) => {
      response.set('Allow', 'GET, HEAD');
      throw new GatewayError('method-not-allowed', 'this address is read-only');
    });
  }
  router.use(/^\/(?:auth|\.well-known)(?=\/|$)/, () => {
    throw new GatewayError(
      'not-found',
      'there are no OAuth endpoints here; tokens are made by `anamnesis token` or by an external issuer',
    );
  });
  router.use((thrown: unknown, _request: Request, response: Response, next: NextFunction) => {
    if (response.headersSent) return next(thrown);
    const { code, message, form } = errorFromHttp(thrown);
    response.status(form.http).set('Cache-Control', 'no-store').json({ code, message });
  });
  return router;
}
