import { generateKeyPairSync } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import express from 'express';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { remoteKeys } from '../../../../src/clients/jwks.ts';
import { systemClock } from '../../../../src/core/clock.ts';
import { systemRandom } from '../../../../src/core/random.ts';
import { authRouter } from '../../../../src/edge/http/auth/router.ts';
import { ownIssuer, ownJwks } from '../../../../src/identity/own-issuer.ts';
import { issueToken } from '../../../../src/identity/sign-token.ts';
import { createTokenVerifier } from '../../../../src/identity/verify-token.ts';

const key = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ORIGIN = 'stmary.example/anamnesis';
let server: Server;
let base = '';

beforeAll(async () => {
  const app = express();
  app.use(authRouter({ jwks: ownJwks(key), resource: `https://${ORIGIN}`, externalIssuers: ['https://idp.example'] }));
  app.use('/fhir', (_request, response) => void response.send('fhir'));
  server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  base = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

describe('the built-in issuer over HTTP', () => {
  it('publishes the keys by which others verify its tokens', async () => {
    const token = await issueToken(
      { origin: ORIGIN, audience: 'urn:x', key },
      { role: 'system', subject: 'ehr' },
      systemClock,
      systemRandom,
    );
    const issuer = { ...ownIssuer(ORIGIN, key), keys: remoteKeys(`${base}/auth/jwks`) };
    expect(
      await createTokenVerifier({ issuers: [issuer], audience: 'urn:x' }, systemClock).verify(token),
    ).toMatchObject({
      principal: { subject: 'ehr', role: 'system' },
    });
    const text = await (await fetch(`${base}/auth/jwks`)).text();
    expect(Object.keys(JSON.parse(text).keys[0]).toSorted()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
  });

  it('says what it protects and who else issues tokens', async () => {
    const response = await fetch(`${base}/.well-known/oauth-protected-resource`);
    expect(response.headers.get('content-type')).toContain('application/json');
    expect(await response.json()).toMatchObject({
      resource: `https://${ORIGIN}`,
      authorization_servers: ['https://idp.example'],
    });
  });

  it('says that there are no OAuth endpoints, where one would look for them', async () => {
    const response = await fetch(`${base}/.well-known/smart-configuration`);
    expect(await response.json()).toMatchObject({
      code: 'not-found',
      message: expect.stringContaining('no OAuth endpoints'),
    });
  });

  it.each([
    ['GET', '/.well-known/smart-configuration', 404],
    ['GET', '/.well-known/openid-configuration', 404],
    ['POST', '/auth/token', 404],
    ['POST', '/auth/jwks', 405],
    ['GET', '/fhir/x', 200],
    ['GET', '/authority', 404],
  ])('%s %s is %d', async (method, path, status) => {
    const response = await fetch(base + path, { method });
    await response.arrayBuffer();
    expect(response.status).toBe(status);
  });
});
