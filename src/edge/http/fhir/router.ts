/**
 * The FHIR endpoint as an Express router: one table of routes, and for each request the same steps in the same order: format,
 * token, type, body, interaction, answer. Every error is an OperationOutcome.
 */
import { raw, Router, type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import { asGatewayError, GatewayError } from '../../../core/errors.ts';
import { parseLogicalId } from '../../../core/ids.ts';
import { describeError, type Log } from '../../../core/log.ts';
import { parseFhirJson, stringifyFhirJson } from '../../../formats/fhir/json.ts';
import { allows, isServed, type TypeInteraction } from '../../../services/capability.ts';
import type { Levels } from '../../../services/peer-services.ts';
import type { BinaryDeps } from '../../../services/read-binary.ts';
import type { ProveDeps } from '../../../services/prove-version.ts';
import type { SearchDeps } from '../../../services/search-request.ts';
import type { WriteDeps } from '../../../services/write-changes.ts';
import type { Authenticate } from '../authenticate.ts';
import { errorFromHttp } from '../http-errors.ts';
import { levelPreference, withLevel } from '../level.ts';
import { parseQueryString } from '../query-string.ts';
import { requestIdOf } from '../request-id.ts';
import { sendStream } from '../peer/bodies.ts';
import type { Answer, Call, Handler, Parameters } from './call.ts';
import { binaryOf, readBinaryContent } from './binary.ts';
import { capabilities, type CapabilityFacts } from './capabilities.ts';
import { create } from './create.ts';
import { remove } from './delete.ts';
import { historyInstance } from './history-instance.ts';
import { checkAccept, checkContentType, FHIR_JSON, isFhirJson, withoutFormat } from './negotiate.ts';
import { outcomeOf } from './outcome.ts';
import { read } from './read.ts';
import { receipt } from './receipt.ts';
import { search, searchByForm } from './search.ts';
import { transaction } from './transaction.ts';
import { update } from './update.ts';
import { vread } from './vread.ts';

export interface FhirLimits {
  /** Bytes of one request body, decoded. */
  readonly bodyBytes: number;
  /** Entries of one transaction. */
  readonly entries: number;
  /** Largest page of a search or history. */
  readonly count: number;
  /** Milliseconds after which a request is answered with `timeout`; a write may still become durable then. */
  readonly requestMs: number;
}

export interface FhirDeps {
  readonly services: SearchDeps & WriteDeps & BinaryDeps;
  /** Where receipts come from. */
  readonly ledger: ProveDeps['ledger'];
  /** How far leaves have come in the network; absent: `durable` is all there is, and nothing is said of it. */
  readonly levels?: Pick<Levels, 'of' | 'wait'>;
  readonly authenticate: Authenticate;
  /** Base URL of the endpoint, without a trailing slash; known only once the listener is. */
  readonly base: () => string;
  readonly facts: CapabilityFacts;
  readonly limits: FhirLimits;
  readonly log: Log;
}

type Method = 'get' | 'post' | 'put' | 'delete';

interface FhirRoute {
  readonly method: Method;
  /** Express pattern below the base. */
  readonly path: string;
  readonly interaction: TypeInteraction | undefined;
  readonly body: 'none' | 'json' | 'form';
  /** The answer is plain text, not FHIR. */
  readonly text?: true;
  readonly handler: Handler;
}

/** Every interaction with a token. The order matters: the first pattern that fits is taken. */
function routesOf({ services, ledger, levels, limits }: FhirDeps): readonly FhirRoute[] {
  const route = (
    method: Method,
    path: string,
    interaction: FhirRoute['interaction'],
    handler: Handler,
    body: FhirRoute['body'] = 'none',
  ): FhirRoute => ({ method, path, interaction, body, handler });
  const proof = receipt({ ...services, ledger, levels, requestMs: limits.requestMs });
  return [
    route('get', '/:type/:id', 'read', byType(read(services), readBinaryContent(services))),
    route('post', '/', undefined, transaction(services, limits.entries), 'json'),
    route('post', '/:type/_search', 'search-type', searchByForm(services), 'form'),
    route('get', '/:type', 'search-type', search(services)),
    route('post', '/:type', 'create', create(services), 'json'),
    route('put', '/:type/:id', 'update', update(services), 'json'),
    route('delete', '/:type/:id', 'delete', remove(services)),
    route('get', '/:type/:id/_history', 'history-instance', historyInstance(services, limits.count)),
    route('get', '/:type/:id/_history/:version', 'vread', byType(vread(services), readBinaryContent(services))),
    { ...route('get', '/:type/:id/_history/:version/$receipt', 'vread', proof), text: true },
    { ...route('get', '/:type/:id/$receipt', 'read', proof), text: true },
  ];
}

export function fhirRouter(deps: FhirDeps): Router {
  const router = Router({ caseSensitive: true, strict: false });
  const readBody = raw({ type: () => true, limit: deps.limits.bodyBytes, inflate: true });
  const statement = capabilities(deps.facts);
  router.get('/metadata', (request, response) => {
    const { query } = negotiated(request);
    return send(request, response, statement({ query, base: deps.base() }));
  });
  refuseMethods(router, '/metadata', ['GET', 'HEAD']);
  const routes = routesOf(deps);
  for (const route of routes) router[route.method](route.path, interactionHandler(deps, route, readBody));
  refuseOtherMethods(router, routes);
  router.use(() => {
    throw new GatewayError('not-found', 'there is no such interaction');
  });
  router.use((thrown: unknown, request: Request, response: Response, next: NextFunction) => {
    if (response.headersSent) return next(thrown);
    sendError(deps.log, request, response, errorFromHttp(thrown));
  });
  return router;
}

/** For each address, the methods that it does not take. */
function refuseOtherMethods(router: Router, routes: readonly FhirRoute[]): void {
  const methods = new Map<string, Set<string>>();
  for (const { path, method } of routes) {
    const known = methods.get(path) ?? new Set();
    known.add(method.toUpperCase());
    if (method === 'get') known.add('HEAD');
    methods.set(path, known);
  }
  for (const [path, known] of methods) refuseMethods(router, path, [...known]);
}

function refuseMethods(router: Router, path: string, allowed: readonly string[]): void {
  router.all(path, (_request, response) => {
    response.set('Allow', allowed.join(', '));
    throw new GatewayError('method-not-allowed', `this address takes ${allowed.join(', ')}`);
  });
}

/** A Binary is read in its own way. */
function byType(any: Handler, binary: Handler): Handler {
  return (call) => (call.type === 'Binary' ? binary : any)(call);
}

/** Checks the format that is asked for and returns the other parameters. */
function negotiated(request: Request, anyMedia = false): { readonly query: Parameters; readonly fhirFormat: boolean } {
  const given = plainQuery(request);
  const query = withoutFormat(given);
  const fhirFormat = query !== given;
  if (!anyMedia) checkAccept(request.headers.accept, fhirFormat);
  return { query, fhirFormat };
}

/** The parameters of a request for plain text, which has no format to negotiate: whoever asks can read it. */
function plainQuery(request: Request): Parameters {
  const at = request.url.indexOf('?');
  return at < 0 ? [] : parseQueryString(request.url.slice(at + 1));
}

function interactionHandler(deps: FhirDeps, route: FhirRoute, readBody: RequestHandler): RequestHandler {
  return async (request, response) => {
    const { query, fhirFormat } =
      route.text === true
        ? { query: plainQuery(request), fhirFormat: false }
        : negotiated(request, isBinary(request) && (route.interaction === 'read' || route.interaction === 'vread'));
    const principal = await deps.authenticate(request.headers.authorization);
    const { type, id, version } = placeOf(request, route);
    const { body, form } = await bodyOf(request, response, route, readBody);
    const unwanted = new AbortController();
    response.once('close', () => unwanted.abort());
    const call: Call = {
      principal,
      type,
      id,
      version,
      query,
      fhirFormat,
      form,
      body,
      header: (name) => singleHeader(request, name),
      base: deps.base(),
      requestId: requestIdOf(request),
      signal: unwanted.signal,
    };
    const preference = levelPreference(call.header('prefer'));
    const answer = await withDeadline(route.handler(call), deps.limits.requestMs, () => unwanted.abort());
    await send(request, response, await withLevel(deps.levels, answer, preference, deps.limits.requestMs));
  };
}

/** Type, id and version of the path. Throws `not-found`, `not-supported`, `method-not-allowed`. */
function placeOf(request: Request, route: FhirRoute): { type: string; id: string; version: string } {
  const { type = '', id = '', version = '' } = stringsOf(request.params);
  if (route.interaction === undefined) return { type, id, version };
  if (type.startsWith('$') || id.startsWith('$'))
    throw new GatewayError('not-supported', 'operations are not supported');
  if (type.startsWith('_') || id.startsWith('_')) {
    throw new GatewayError('not-supported', 'searches and histories of the whole system or type are not supported');
  }
  if (!isServed(type)) throw new GatewayError('not-found', 'resources of this type are not kept here');
  if (!allows(type, route.interaction)) {
    throw new GatewayError('method-not-allowed', `${type} resources are written by the gateway alone`);
  }
  if (route.path.includes(':id') && parseLogicalId(id) === undefined) {
    throw new GatewayError(request.method === 'PUT' ? 'invalid-syntax' : 'not-found', 'this is not a FHIR id');
  }
  return { type, id, version };
}

function stringsOf(params: Request['params']): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(params).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function isBinary(request: Request): boolean {
  return request.params.type === 'Binary';
}

function singleHeader(request: Request, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

async function bodyOf(
  request: Request,
  response: Response,
  route: FhirRoute,
  readBody: RequestHandler,
): Promise<{ body: unknown; form: Parameters }> {
  if (route.body === 'none') return { body: undefined, form: [] };
  const contentType = request.headers['content-type'];
  const isRaw = route.body === 'json' && isBinary(request) && contentType !== undefined && !isFhirJson(contentType);
  if (!isRaw) checkContentType(contentType, route.body);
  await new Promise<void>((resolve, reject) => {
    readBody(request, response, (error?: unknown) => (error === undefined ? resolve() : reject(error)));
  });
  const bytes: unknown = request.body;
  if (!Buffer.isBuffer(bytes)) throw new GatewayError('invalid-syntax', 'the request has no body');
  if (route.body === 'form')
    return { body: undefined, form: withoutFormat(parseQueryString(bytes.toString('latin1'))) };
  if (isRaw) {
    const { id = '' } = stringsOf(request.params);
    return { body: binaryOf({ id, header: (name) => singleHeader(request, name) }, bytes), form: [] };
  }
  return { body: parseFhirJson(bytes), form: [] };
}

/** A request that takes too long is answered; a search ends then, what writes may still finish. */
async function withDeadline(answer: Promise<Answer>, ms: number, onLate: () => void): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new GatewayError('timeout', 'the request took too long; ask for less, or try again'));
      onLate();
    }, ms);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function send(request: Request, response: Response, answer: Answer): Promise<void> {
  const { status, headers, body, text, stream } = answer;
  response.status(status);
  if (headers !== undefined) response.set(headers);
  if (stream !== undefined && request.method !== 'HEAD') await sendStream(response, stream);
  else if (text !== undefined) response.end(text);
  else if (body === undefined) response.end();
  else sendJson(response, body);
}

function sendJson(response: Response, body: object): void {
  const text = stringifyFhirJson(body);
  response.setHeader('Content-Type', `${FHIR_JSON}; charset=utf-8`);
  response.setHeader('Content-Length', Buffer.byteLength(text));
  // As a string it leaves in one piece with the head; a buffer would take a second write.
  response.end(text);
}

function sendError(log: Log, request: Request, response: Response, error: GatewayError): void {
  const { http } = error.form;
  if (http >= 500) {
    const cause = error.cause ?? error;
    log.error({ event: 'fhir-failed', code: error.code, requestId: requestIdOf(request), ...describeError(cause) });
  }
  if (error.code === 'unauthenticated') response.set('WWW-Authenticate', 'Bearer realm="fhir"');
  if (error.code === 'busy' || error.code === 'unavailable') response.set('Retry-After', '5');
  response.status(http);
  sendJson(response, outcomeOf(asGatewayError(error)));
}
