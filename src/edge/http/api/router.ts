/** The API description: the OpenAPI document as YAML and JSON, and a page made from it that needs no other host. Public. */
import { createHash } from 'node:crypto';
import { Router } from 'express';
import { GatewayError } from '../../../core/errors.ts';
import { parse } from 'yaml';
import { renderPage, STYLE } from './page.ts';

/** `openapi`: text of `openapi/anamnesis.yaml`. */
export interface ApiDeps {
  readonly openapi: string;
}

export function apiRouter({ openapi }: ApiDeps): Router {
  const router = Router({ caseSensitive: true, strict: true });
  // Parsed and rendered when first asked for: a start does not wait for it.
  let json: string | undefined;
  let page: string | undefined;
  const style = createHash('sha256').update(STYLE).digest('base64');
  const policy = `default-src 'none'; style-src 'sha256-${style}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`;
  // One route each: metrics name a route by its pattern.
  for (const path of ['/', '/api']) {
    router.get(path, (_request, response) => {
      page ??= renderPage(parse(openapi));
      response.set('Content-Security-Policy', policy).type('html').send(page);
    });
  }
  router.get('/openapi.yaml', (_request, response) => {
    response.type('application/yaml').send(openapi);
  });
  router.get('/openapi.json', (_request, response) => {
    json ??= JSON.stringify(parse(openapi));
    response.type('application/json').send(json);
  });
  router.all(['/', '/api', '/openapi.yaml', '/openapi.json'], (_request, response) => {
    response.set('Allow', 'GET, HEAD');
    throw new GatewayError('method-not-allowed', 'this address is read-only');
  });
  return router;
}
