import { generateKeyPairSync } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { remoteKeys } from '../../../src/clients/jwks.ts';
import { ownJwks } from '../../../src/identity/own-issuer.ts';

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function serve(
  answer: (url: string) => { status?: number; body: string; location?: string },
): Promise<{ url: string; count: () => number }> {
  let count = 0;
  server = createServer((request, response) => {
    count += 1;
    const { status = 200, body, location } = answer(request.url ?? '');
    response.writeHead(status, location === undefined ? {} : { location }).end(body);
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no address');
  return { url: `http://127.0.0.1:${address.port}/jwks`, count: () => count };
}

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwks = ownJwks(pair);
const header = { alg: 'ES256', kid: jwks.keys[0]!.kid };
const token = { payload: '', signature: '' };

describe('remote keys', () => {
  it('fetches once for many tokens, and not again for every made-up key id', async () => {
    const { url, count } = await serve(() => ({ body: JSON.stringify(jwks) }));
    const keys = remoteKeys(url);
    for (let n = 0; n < 3; n++) await keys(header, token);
    for (let n = 0; n < 3; n++) await expect(keys({ alg: 'ES256', kid: `made-up-${n}` }, token)).rejects.toThrow();
    expect(count()).toBe(1);
  });

  it('refuses what is too large, redirected, not JSON or an error', async () => {
    for (const answer of [
      { body: `{"keys":[],"x":"${'x'.repeat(300_000)}"}` },
      { status: 302, body: '', location: 'http://127.0.0.1:1/' },
      { body: '<html>' },
      { status: 500, body: '{}' },
    ]) {
      const { url } = await serve(() => answer);
      await expect(remoteKeys(url)(header, token)).rejects.toThrow();
      server?.closeAllConnections();
      server?.close();
    }
  });

  it.each([
    'http://idp.example/jwks',
    'ftp://127.0.0.1/x',
    'file:///etc/passwd',
    'not a url',
    'http://127.0.0.1.evil.example/',
  ])('does not take keys from %s', (url) => {
    expect(() => remoteKeys(url)).toThrow(/https/);
  });
});
