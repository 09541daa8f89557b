import type { AddressInfo } from 'node:net';
import express from 'express';
import { afterEach, expect, test } from 'vitest';
import { silentLog, type LogFields } from '../../../../src/core/log.ts';
import { healthRouter } from '../../../../src/edge/http/health.ts';
import { createMetrics, measureRequests } from '../../../../src/edge/http/metrics.ts';

const closing: (() => void)[] = [];
afterEach(() => closing.splice(0).forEach((close) => close()));

async function serve(checks: () => Record<string, boolean>, lines: LogFields[] = []) {
  const metrics = createMetrics();
  const app = express();
  app.use(measureRequests(metrics, { ...silentLog, debug: (fields) => void lines.push(fields) }));
  app.use(healthRouter({ checks, registry: metrics.registry }));
  app.get('/fhir/:type/:id', (_request, response) => void response.sendStatus(204));
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  closing.push(() => server.close());
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    metrics,
    get: (path: string, init?: RequestInit) => fetch(base + path, { ...init, headers: { connection: 'close' } }),
  };
}

test('readiness follows the checks and names what is missing; liveness does not', async () => {
  const state = { database: true, disk: true };
  const { get } = await serve(() => state);
  expect((await get('/readyz')).status).toBe(200);
  state.database = false;
  const answer = await get('/readyz');
  expect([answer.status, await answer.json()]).toEqual([
    503,
    { status: 'not-ready', checks: { database: false, disk: true } },
  ]);
  expect((await get('/healthz')).status).toBe(200);
});

test('metrics and log know requests by pattern, never by path', async () => {
  const lines: LogFields[] = [];
  const { get, metrics } = await serve(() => ({}), lines);
  metrics.message('hl7v2', 'accepted', 0.01);
  metrics.commit(3, 5, 0.004);
  await get('/fhir/Patient/CANARY-1');
  await get('/CANARY-2?name=CANARY-3');
  await get('/fhir/Patient/CANARY-4', { method: 'PROPFIND' }).catch(() => undefined);
  const answer = await get('/metrics');
  const text = await answer.text();
  expect(answer.headers.get('content-type')).toContain('text/plain');
  expect(text).toContain('route="/fhir/:type/:id"');
  expect(text).toContain('anamnesis_ledger_leaves_total 5');
  expect(text + JSON.stringify(lines)).not.toContain('CANARY');
  expect(lines).toContainEqual(expect.objectContaining({ event: 'http', route: '/fhir/:type/:id', status: 204 }));
});
