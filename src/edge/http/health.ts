/**
 * `/healthz` (the process lives), `/readyz` (it can take work) and `/metrics` (Prometheus text). Without a token: they
 * hold counts, never who or what. Mount them before anything that asks for one.
 */
import { Router, type Response } from 'express';
import type { Registry } from 'prom-client';

export interface HealthDeps {
  /**
   * What the gateway needs to take work, by name, and whether it has it. Answers at once, from what is known already: a
   * probe must not wait for a database that hangs.
   */
  readonly checks: () => Readonly<Record<string, boolean>>;
  readonly registry: Registry;
}

export function healthRouter(deps: HealthDeps): Router {
  const router = Router();
  const send = (response: Response, status: number, body: object): void => {
    response.status(status).set('Cache-Control', 'no-store').json(body);
  };
  router.get('/healthz', (_request, response) => send(response, 200, { status: 'ok' }));
  router.get('/readyz', (_request, response) => {
    const checks = deps.checks();
    const ready = Object.values(checks).every(Boolean);
    send(response, ready ? 200 : 503, { status: ready ? 'ready' : 'not-ready', checks });
  });
  router.get('/metrics', async (_request, response) => {
    const text = await deps.registry.metrics();
    response.set('Cache-Control', 'no-store').type(deps.registry.contentType).send(text);
  });
  return router;
}
