import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Config } from '../../../src/config/config.ts';
import { isLoopback, loadConfig, type Environment } from '../../../src/config/load.ts';

const folder = mkdtempSync(join(tmpdir(), 'anamnesis config '));
afterAll(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, 'cert.pem'), 'certificate');
writeFileSync(join(folder, 'key.pem'), 'key');

function config(env: Environment): Config {
  const loaded = loadConfig(env, folder);
  if ('errors' in loaded) throw new Error(loaded.errors.join('\n'));
  return loaded.config;
}

function errors(env: Environment): readonly string[] {
  const loaded = loadConfig(env, folder);
  return 'errors' in loaded ? loaded.errors : [];
}

test('an empty environment gives the documented defaults', () => {
  const { http, mllp, dicom, dataDir, keyFile, databaseUrl, keyPassphraseFile, tokenAudience, origin } = config({});
  expect([http, mllp, dicom]).toEqual([8080, 2575, 11112].map((port) => ({ host: '127.0.0.1', port })));
  expect(dataDir).toBe(join(folder, 'data'));
  expect(keyFile).toBe(join(folder, 'data', 'gateway.key'));
  expect([databaseUrl, keyPassphraseFile]).toEqual([undefined, undefined]);
  expect([origin, tokenAudience]).toEqual(['localhost/anamnesis', 'https://localhost/anamnesis']);
});

test('an empty variable counts as not set', () => {
  expect(config({ HTTP_PORT: '', DATABASE_URL: '  ', KEY_FILE: '' })).toEqual(config({}));
});

test('all wrong settings are reported at once, each by its name', () => {
  const wrong = {
    HTTP_PORT: 'abc',
    MLLP_PORT: '70000',
    GATEWAY_ORIGIN: 'https://x',
    LOG_LEVEL: 'loud',
    DATABASE_URL: 'mysql://x',
  };
  expect(
    errors(wrong)
      .map((line) => line.split(':')[0])
      .toSorted(),
  ).toEqual(Object.keys(wrong).toSorted());
});

test('the password of a wrong DATABASE_URL is not repeated', () => {
  expect(errors({ DATABASE_URL: 'mysql://user:hunter2@db' }).join()).not.toContain('hunter2');
});

test.each([
  ['HTTP_PORT', '-1'],
  ['HTTP_PORT', '80.5'],
  ['HTTP_PORT', '1e3'],
  ['HTTP_PORT', '2575'],
  ['HOST', 'bad host'],
  ['GATEWAY_ORIGIN', 'two words'],
  ['GATEWAY_ORIGIN', 'plus+sign'],
  ['GATEWAY_ORIGIN', 'slash/'],
  ['GATEWAY_ORIGIN', `a/${'b'.repeat(200)}`],
  ['PUBLIC_URL', 'ftp://x'],
  ['PUBLIC_URL', 'https://x/'],
  ['PUBLIC_URL', 'https://x?y=1'],
  ['SOURCE_TIME_ZONE', 'Mars/Olympus'],
  ['SOURCE_ASSIGNER', 'no scheme'],
  ['SOURCE_PROCESSING_IDS', 'P,X'],
  ['SOURCE_PROCESSING_IDS', 'P,P'],
  ['SOURCE_NAME', 'a b'],
  ['DICOM_AE_TITLE', 'MORE_THAN_SIXTEEN'],
  ['DICOM_AE_TITLE', 'back\\slash'],
  ['ALLOW_INSECURE_LISTENERS', 'yes'],
  ['TRUSTED_ISSUERS', 'https://idp.example'],
  ['TRUSTED_ISSUERS', 'https://idp.example http://idp.example/jwks'],
  ['TRUSTED_ISSUERS', 'not-a-url https://idp.example/jwks'],
  ['TRUSTED_ISSUERS', 'https://idp.example https://idp.example/jwks ours'],
  ['TRUSTED_ISSUERS', 'https://idp.example https://idp.example/jwks own own'],
  ['OWN_ORGANIZATIONS', 'St Mary'],
  ['OWN_ORGANIZATIONS', 'Practitioner/1'],
  ['OWN_ORGANIZATIONS', 'Organization/1, Organization/'],
  ['OWN_ORGANIZATIONS', 'urn:oid:2.999.1|'],
  ['DATABASE_CONNECTIONS', '1'],
  ['TLS_HTTP_CERT_FILE', 'missing.pem'],
  ['TLS_MLLP_CERT_FILE', 'cert.pem'],
  ['TLS_DICOM_CA_FILE', 'cert.pem'],
])('%s=%s is refused by name', (name, value) => {
  expect(errors({ [name]: value }).join('\n')).toContain(name);
});

test.each([
  ['HOST', '::1'],
  ['HOST', 'localhost'],
  ['HTTP_PORT', '0'],
  ['GATEWAY_ORIGIN', 'stmary.example/anamnesis'],
  ['GATEWAY_ORIGIN', 'localhost:8443'],
  ['SOURCE_TIME_ZONE', 'Europe/Berlin'],
  ['SOURCE_ASSIGNER', 'urn:oid:2.999.1'],
  ['SOURCE_PROCESSING_IDS', 'P, T'],
  ['TRUSTED_ISSUERS', 'https://a.example https://a.example/jwks, https://b.example http://127.0.0.1:9/jwks'],
])('%s=%s is taken', (name, value) => {
  expect(errors({ [name]: value })).toEqual([]);
});

test('issuers are of other institutions unless marked as own', () => {
  const { trustedIssuers } = config({
    TRUSTED_ISSUERS: 'https://a.example https://a.example/jwks, https://b.example https://b.example/jwks own',
  });
  expect(trustedIssuers).toEqual([
    { issuer: 'https://a.example', jwksUri: 'https://a.example/jwks', ownInstitution: false },
    { issuer: 'https://b.example', jwksUri: 'https://b.example/jwks', ownInstitution: true },
  ]);
});

test('the institution has several names', () => {
  const names = ['Organization/1', 'https://stmary.example/fhir/Organization/1', 'urn:oid:2.999.1|stmary'];
  expect(config({ OWN_ORGANIZATIONS: ` ${names.join(' , ')},` }).ownOrganizations).toEqual(names);
  expect(config({}).ownOrganizations).toEqual([]);
});

test('three listeners on any free port do not collide', () => {
  expect(errors({ HTTP_PORT: '0', MLLP_PORT: '0', DICOM_PORT: '0' })).toEqual([]);
});

describe('listeners off the loopback', () => {
  test('without TLS each is refused', () => {
    expect(errors({ HOST: '0.0.0.0' })).toHaveLength(3);
  });
  test('with TLS they are taken, file by file', () => {
    const tls = { HOST: '0.0.0.0', TLS_HTTP_CERT_FILE: 'cert.pem', TLS_HTTP_KEY_FILE: 'key.pem' };
    expect(errors(tls)).toHaveLength(2);
    expect(config({ ...tls, HOST: '127.0.0.1' }).http.tls).toEqual({
      cert: readFileSync(join(folder, 'cert.pem')),
      key: readFileSync(join(folder, 'key.pem')),
    });
  });
  test('the operator can insist', () => {
    expect(errors({ HOST: '0.0.0.0', ALLOW_INSECURE_LISTENERS: 'true' })).toEqual([]);
  });
  test.each(['0.0.0.0', '::', '127.evil.example', '10.0.0.1'])('%s is not the loopback', (host) => {
    expect(isLoopback(host)).toBe(false);
  });
});
