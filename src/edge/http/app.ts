/**
 * The HTTP edge put together: request id, security headers, metrics, then the rooms: health, FHIR, ledger, tokens, API page.
 * Holds no logic of its own. TLS and sockets are in `listener.ts`.
 */
import express, {
  type Express,
  type NextFunction,
  type Request,
  type RequestHandler,
  type Response,
  type Router,
} from 'express';
import { GatewayError } from '../../core/errors.ts';
import { describeError, type Log } from '../../core/log.ts';
import type { Random } from '../../core/random.ts';
import { errorFromHttp } from './http-errors.ts';
import { assignRequestId, requestIdOf } from './request-id.ts';

export interface HttpDeps {
  readonly random: Random;
  readonly log: Log;
  /** Observes and logs every answer by its route's pattern (`metrics.ts`, measureRequests). */
  readonly measure: RequestHandler;
  /** `/healthz`, `/readyz`, `/metrics`. */
  readonly health: Router;
  /** Below `/fhir`. */
  readonly fhir: Router;
  /** Below `/admin`. */
  readonly admin?: Router;
  /** Below `/ledger`. */
  readonly ledger: Router;
  /** What other gateways ask for: below `/witness`, `/mirror`, and `/ledger` before the router above. */
  readonly peers?: { readonly witness: Router; readonly mirror: Router; readonly ledger: Router };
  /** `/auth/...` and `/.well-known/...`. */
  readonly auth: Router;
  /** `/`, `/api`, `/openapi.yaml`, `/openapi.json`. */
  readonly api: Router;
}

export function httpApp(deps: HttpDeps): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  // Query strings are parsed where they are used, strictly; Express would ignore what it cannot read.
  app.set('query parser', false);
  app.use(closeUnread, assignRequestId(deps.random), securityHeaders, deps.measure);
  app.use('/fhir', deps.fhir);
  if (deps.admin !== undefined) app.use('/admin', deps.admin);
  app.use(deps.health);
  if (deps.peers !== undefined) {
    app.use('/witness', deps.peers.witness);
    app.use('/mirror', deps.peers.mirror);
    app.use('/ledger', deps.peers.ledger);
  }
  app.use('/ledger', deps.ledger);
  app.use(deps.auth);
  app.use(deps.api);
  app.use(() => {
    throw new GatewayError('not-found', 'there is nothing at this address; / lists what there is');
  });
  app.use((thrown: unknown, request: Request, response: Response, next: NextFunction) => {
    if (response.headersSent) return next(thrown);
    const error = errorFromHttp(thrown);
    if (error.form.http >= 500) {
      deps.log.error({
        event: 'http-failed',
        code: error.code,
        requestId: requestIdOf(request),
        ...describeError(thrown),
      });
    }
    // An answer that was meant to be text or bytes has said so already.
    response.status(error.form.http).type('json').json({ code: error.code, message: error.message });
  });
  return app;
}

/** Milliseconds for which a sender whose request was answered early may go on. */
const LINGER_MS = 2_000;

/**
 * An answer that came before the whole body was read leaves bytes on the connection that nobody will take: node then waits for
 * them until the request's deadline, and a stop for its own.
 */
function closeUnread(request: Request, response: Response, next: NextFunction): void {
  // Held here: a request that was destroyed has lost its socket.
  const { socket } = request;
  response.once('finish', () => {
    if (!request.readableDidRead || request.complete) return;
    // RFC 9112 section 9.6: half-closed and still read for a while, so that the sender gets to see the answer.
    socket.end();
    request.resume();
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  });
  next();
}

/** What browsers must know: nothing here is to be framed, sniffed, referred from or kept by a cache unless a route says so. */
function securityHeaders(_request: Request, response: Response, next: NextFunction): void {
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Referrer-Policy', 'no-referrer');
  response.setHeader('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'");
  next();
}
