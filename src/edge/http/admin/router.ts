/**
 * The administrative API below `/admin`: JSON, with a token that carries `admin.read` or `admin.write` (identity/admin-scope). One
 * table of routes; for each request the same steps: token, right, body, interaction, answer.
 */
import { json, Router, type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import { GatewayError } from '../../../core/errors.ts';
import { describeError, type Log } from '../../../core/log.ts';
import type { AdminRight, Principal } from '../../../core/principal.ts';
import type { Authenticate } from '../authenticate.ts';
import { errorFromHttp } from '../http-errors.ts';
import { parseQueryString } from '../query-string.ts';
import { requestIdOf } from '../request-id.ts';
import type { AdminRoute } from './call.ts';

export interface AdminDeps {
  readonly authenticate: Authenticate;
  /** The order matters: the first pattern that fits is taken. */
  readonly routes: readonly AdminRoute[];
  readonly log: Log;
}

/** Bytes of a body: settings that people write. */
const BODY_MAX_BYTES = 1024 * 1024;

export function adminRouter(deps: AdminDeps): Router {
  const router = Router({ caseSensitive: true, strict: false });
  const readBody = json({ limit: BODY_MAX_BYTES, type: () => true, strict: false });
  for (const route of deps.routes) router[route.method](route.path, handlerOf(deps, route, readBody));
  for (const [path, methods] of methodsByPath(deps.routes)) {
    router.all(path, (_request, response) => {
      response.set('Allow', methods.join(', '));
      throw new GatewayError('method-not-allowed', `this address takes ${methods.join(', ')}`);
    });
  }
  router.use((thrown: unknown, request: Request, response: Response, next: NextFunction) => {
    if (response.headersSent) return next(thrown);
    const error = errorFromHttp(thrown);
    if (error.form.http >= 500) {
      const requestId = requestIdOf(request);
      deps.log.error({ event: 'admin-failed', code: error.code, requestId, ...describeError(thrown) });
    }
    if (error.code === 'unauthenticated') response.set('WWW-Authenticate', 'Bearer');
    const { code, message, expression, issues } = error;
    const where = expression === undefined ? {} : { expression };
    response.status(error.form.http).json({ code, message, ...where, ...(issues.length > 0 && { issues }) });
  });
  return router;
}

function methodsByPath(routes: readonly AdminRoute[]): ReadonlyMap<string, readonly string[]> {
  const methods = new Map<string, string[]>();
  for (const { path, method } of routes) {
    const known = methods.get(path) ?? [];
    known.push(...(method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]));
    methods.set(path, known);
  }
  return methods;
}

function handlerOf(deps: AdminDeps, route: AdminRoute, readBody: RequestHandler): RequestHandler {
  return async (request, response) => {
    const principal = await deps.authenticate(request.headers.authorization);
    requireRight(principal, route.needs);
    const at = request.url.indexOf('?');
    const { status, headers, body } = await route.handler({
      principal,
      params: stringsOf(request.params),
      query: at < 0 ? [] : parseQueryString(request.url.slice(at + 1)),
      body: route.method === 'get' ? undefined : await bodyOf(request, response, readBody),
      header: (name) => [request.headers[name]].flat().join(', ') || undefined,
      requestId: requestIdOf(request),
    });
    response.status(status);
    if (headers !== undefined) response.set(headers);
    if (body === undefined) response.end();
    else response.json(body);
  };
}

/** Throws `forbidden`. */
function requireRight({ admin }: Principal, needs: AdminRight): void {
  if (admin === needs || admin === 'write') return;
  throw new GatewayError('forbidden', `this needs a token of this institution with the scope admin.${needs}`);
}

/** Undefined for an empty body. Throws `invalid-syntax` for what is not JSON. */
async function bodyOf(request: Request, response: Response, readBody: RequestHandler): Promise<unknown> {
  await new Promise<void>((resolve, reject) => {
    readBody(request, response, (error?: unknown) => (error === undefined ? resolve() : reject(error)));
  });
  return request.body;
}

function stringsOf(params: Request['params']): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(params).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}
