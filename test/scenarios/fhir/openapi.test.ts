import { readFileSync } from 'node:fs';
import type { Router } from 'express';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { silentLog } from '../../../src/core/log.ts';
import { messageRoutes } from '../../../src/edge/http/admin/messages.ts';
import { SOURCE_MEMBERS } from '../../../src/normalize/hl7v2/source-definition.ts';
import { sourceRoutes } from '../../../src/edge/http/admin/sources.ts';
import { adminRouter } from '../../../src/edge/http/admin/router.ts';
import { apiRouter } from '../../../src/edge/http/api/router.ts';
import { authRouter } from '../../../src/edge/http/auth/router.ts';
import { fhirRouter, type FhirDeps } from '../../../src/edge/http/fhir/router.ts';
import { healthRouter } from '../../../src/edge/http/health.ts';
import { ledgerPeerRouter } from '../../../src/edge/http/peer/ledger-peer-router.ts';
import { mirrorRouter } from '../../../src/edge/http/peer/mirror-router.ts';
import { witnessRouter } from '../../../src/edge/http/peer/witness-router.ts';
import type { PeerServices } from '../../../src/services/peer-services.ts';
import { ledgerRouter } from '../../../src/edge/http/ledger/router.ts';

const text = readFileSync(new URL('../../../openapi/anamnesis.yaml', import.meta.url), 'utf8');
const document = parse(text);
const METHODS = new Set(['get', 'put', 'post', 'delete', 'patch']);
/** Routers are only looked at here, never asked. */
const unused = {} as any;

/** `GET /fhir/{type}` of each route of a router, as Express has it. */
function routesOf(router: Router, prefix: string): string[] {
  const layers: any[] = router.stack;
  return layers.flatMap(({ route }) => {
    if (route === undefined) return [];
    return [route.path].flat().flatMap((path: string) =>
      Object.keys(route.methods)
        .filter((method) => METHODS.has(method))
        .map((method) => {
          const full = `${prefix}${path === '/' && prefix !== '' ? '' : path}`;
          return `${method.toUpperCase()} ${full.replace(/[:*](\w+)/g, '{$1}')}`;
        }),
    );
  });
}

const peers = { mirror: unused } as PeerServices;

const fhirDeps: FhirDeps = {
  services: unused,
  ledger: unused,
  authenticate: unused,
  base: () => '',
  facts: { version: '', origin: '', started: '' },
  limits: { bodyBytes: 1, entries: 1, count: 1, requestMs: 1 },
  log: silentLog,
};

describe('the OpenAPI document', () => {
  const documented = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.keys(item as object)
      .filter((method) => METHODS.has(method))
      .map((method) => `${method.toUpperCase()} ${path}`),
  );
  const served = [
    ...routesOf(fhirRouter(fhirDeps), '/fhir'),
    ...routesOf(ledgerRouter({ ledger: unused, log: silentLog }), '/ledger'),
    ...routesOf(ledgerPeerRouter(peers), '/ledger'),
    ...routesOf(witnessRouter({ witness: unused, maxBytes: 1 }), '/witness'),
    ...routesOf(mirrorRouter({ peers, maxBytes: 1 }), '/mirror'),
    ...routesOf(
      adminRouter({
        authenticate: unused,
        routes: [...messageRoutes(unused), ...sourceRoutes(unused)],
        log: silentLog,
      }),
      '/admin',
    ),
    ...routesOf(healthRouter({ checks: () => ({}), registry: new Registry() }), ''),
    ...routesOf(authRouter({ jwks: { keys: [] }, resource: '', externalIssuers: [] }), ''),
    ...routesOf(apiRouter({ openapi: text }), ''),
  ];

  it('has every route that is served, and no other', () => {
    expect(documented.length).toBeGreaterThan(20);
    expect(documented.toSorted()).toEqual([...new Set(served)].toSorted());
  });

  it('refers only to what is in it, and names every operation once', () => {
    const ids: string[] = [];
    const visit = (value: any): void => {
      if (typeof value !== 'object' || value === null) return;
      if (typeof value.$ref === 'string') {
        const found = value.$ref
          .split('/')
          .slice(1)
          .reduce((here: any, name: string) => here?.[name], document);
        expect(found, value.$ref).toBeDefined();
      }
      if (typeof value.operationId === 'string') ids.push(value.operationId);
      Object.values(value).forEach(visit);
    };
    visit(document);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBe(documented.length);
  });

  it('describes the profile of a source as it is read', () => {
    const { properties, required } = document.components.schemas.SourceProfile;
    expect(Object.keys(properties).toSorted()).toEqual([...SOURCE_MEMBERS].toSorted());
    expect(required).toEqual(['assigner']);
  });

  it('has the version of the package', () => {
    const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
    expect(document.info.version).toBe(manifest.version);
  });
});
