import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/core/clock.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { ownIssuer, ownIssuerName, ownJwks } from '../../../src/identity/own-issuer.ts';
import { issueToken, type TokenRequest } from '../../../src/identity/sign-token.ts';
import {
  createTokenVerifier,
  EXTERNAL_ALGORITHMS,
  TOKEN_MAX_BYTES,
  type TokenIssuer,
} from '../../../src/identity/verify-token.ts';
import type { KeyPair } from '../../../src/keys/key-set.ts';

const ORIGIN = 'stmary.example/anamnesis';
const AUDIENCE = 'https://stmary.example/anamnesis';
const NOW = Date.UTC(2026, 10, 22, 12);

function ecPair(): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { privateKey, publicKey, rawPublicKey: Buffer.alloc(65) };
}
const key = ecPair();
const movable = (start = NOW): Clock & { at: number } => ({
  at: start,
  now() {
    return this.at;
  },
});
const issue = (request: Partial<TokenRequest> = {}, pair = key, clock: Clock = movable()) =>
  issueToken(
    { origin: ORIGIN, audience: AUDIENCE, key: pair },
    { role: 'practitioner', subject: 'dr-lee', ...request },
    clock,
    systemRandom,
  );
const verifier = (clock: Clock = movable(), issuers: readonly TokenIssuer[] = [ownIssuer(ORIGIN, key)]) =>
  createTokenVerifier({ issuers, audience: AUDIENCE }, clock);
const forge = (
  claims: Record<string, unknown>,
  header: Record<string, unknown> = {},
  signer: KeyObject = key.privateKey,
) =>
  new SignJWT({ iss: ownIssuerName(ORIGIN), aud: AUDIENCE, sub: 'x', role: 'system', exp: NOW / 1000 + 60, ...claims })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', ...header })
    .sign(signer);

describe('tokens of the built-in issuer', () => {
  it('come back as the principal they were made for', async () => {
    const token = await issue();
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'ES256', typ: 'at+jwt' });
    expect(await verifier().verify(token)).toMatchObject({
      principal: {
        issuer: 'https://stmary.example/anamnesis',
        subject: 'dr-lee',
        role: 'practitioner',
        purpose: 'TREAT',
        fhirUser: 'Practitioner/dr-lee',
        ownInstitution: true,
        client: 'anamnesis-cli',
        scopes: [{ level: 'user', type: '*' }],
      },
    });
  });

  it('are verified by anyone with the published key set', async () => {
    const keys = createLocalJWKSet({ keys: [...ownJwks(key).keys] });
    const { payload } = await jwtVerify(await issue(), keys, { audience: AUDIENCE, currentDate: new Date(NOW) });
    expect(payload.sub).toBe('dr-lee');
    expect(JSON.stringify(ownJwks(key))).not.toContain('"d"');
  });

  it.each([
    [{ role: 'patient', patient: 'p1' }, 'PATRQT', 2],
    [{ role: 'system' }, 'TREAT', 1],
    [{ role: 'researcher' }, 'HRESCH', 1],
  ])('have the defaults of %j', async (request, purpose, scopes) => {
    const verified = await verifier().verify(await issue(request));
    if (!('principal' in verified)) throw new Error(verified.fault);
    expect(verified.principal.purpose).toBe(purpose);
    expect(verified.principal.scopes).toHaveLength(scopes);
  });

  it.each([
    [{ role: 'admin' }],
    [{ role: 'patient' }],
    [{ role: 'patient', patient: 'not an id' }],
    [{ subject: ' ' }],
    [{ purpose: 'CURIOSITY' }],
    [{ scope: 'user/observation.rs' }],
    [{ ttlSeconds: 0 }],
    [{ ttlSeconds: 1.5 }],
    [{ ttlSeconds: 10 ** 9 }],
  ])('are not made for %j', async (request) => {
    await expect(issue(request)).rejects.toMatchObject({ code: 'invalid-content' });
  });
});

describe('verification refuses', () => {
  it.each<[string, () => Promise<string>, string]>([
    ['garbage', async () => 'abc', 'malformed'],
    ['three dots', async () => '...', 'malformed'],
    ['more bytes than a token has', async () => 'a'.repeat(TOKEN_MAX_BYTES + 1), 'malformed'],
    ['another key', async () => forge({}, {}, ecPair().privateKey), 'invalid-signature'],
    [
      'a changed payload',
      async () => {
        const [header, , signature] = (await issue()).split('.');
        const claims = { ...decodeJwt(await issue()), role: 'system' };
        return `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${signature}`;
      },
      'invalid-signature',
    ],
    [
      'alg none',
      async () => {
        const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
        return `${part({ alg: 'none', typ: 'at+jwt' })}.${part(decodeJwt(await issue()))}.`;
      },
      'invalid-signature',
    ],
    [
      'HMAC under the public key',
      async () => {
        const secret = Buffer.from(key.publicKey.export({ type: 'spki', format: 'pem' }));
        return new SignJWT({ role: 'system' })
          .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
          .setIssuer(ownIssuerName(ORIGIN))
          .setAudience(AUDIENCE)
          .setSubject('x')
          .setExpirationTime(NOW / 1000 + 60)
          .sign(secret);
      },
      'invalid-signature',
    ],
    ['an unknown issuer', () => forge({ iss: 'https://evil.example' }), 'unknown-issuer'],
    ['no issuer', () => forge({ iss: undefined }), 'malformed'],
    ['another audience', () => forge({ aud: 'https://elsewhere' }), 'wrong-audience'],
    ['no audience', () => forge({ aud: undefined }), 'wrong-audience'],
    ['no expiry', () => forge({ exp: undefined }), 'claims'],
    ['an expiry in the past', () => forge({ exp: NOW / 1000 - 60 }), 'expired'],
    ['a time that has not come', () => forge({ nbf: NOW / 1000 + 60 }), 'not-yet-valid'],
    ['an issue time in the future', () => forge({ iat: NOW / 1000 + 600 }), 'not-yet-valid'],
    ['an id token', () => forge({}, { typ: 'JWT' }), 'wrong-type'],
    ['no subject', () => forge({ sub: undefined }), 'claims'],
    ['an unknown role', () => forge({ role: 'root' }), 'claims'],
    ['a patient without a patient', () => forge({ role: 'patient' }), 'claims'],
    ['two purposes', () => forge({ purpose_of_use: ['TREAT', 'HRESCH'] }), 'claims'],
    ['mixed scopes', () => forge({ scope: 'system/*.rs user/*.rs' }), 'claims'],
  ])('%s', async (_name, make, fault) => {
    const verified = await verifier().verify(await make());
    expect(verified).toMatchObject({ fault });
    expect(JSON.stringify(verified)).not.toContain('dr-lee');
  });
});

describe('the cache of verified tokens', () => {
  it('lets no token outlive its expiry and forgets when told to', async () => {
    const clock = movable();
    let fetched = 0;
    const counting: TokenIssuer = {
      ...ownIssuer(ORIGIN, key),
      keys: async () => {
        fetched += 1;
        return key.publicKey;
      },
    };
    const cached = verifier(clock, [counting]);
    const token = await issue({ ttlSeconds: 100 });
    for (let n = 0; n < 5; n++) expect(await cached.verify(token)).toHaveProperty('principal');
    expect(fetched).toBe(1);
    cached.clear();
    expect(await cached.verify(token)).toHaveProperty('principal');
    expect(fetched).toBe(2);
    clock.at += 106_000;
    expect(await cached.verify(token)).toMatchObject({ fault: 'expired' });
    expect(await cached.verify(token)).toMatchObject({ fault: 'expired' });
  });
});

describe('external issuers', () => {
  const external = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const trust: TokenIssuer = {
    issuer: 'https://idp.example',
    ownInstitution: false,
    roles: ['practitioner', 'patient'],
    algorithms: EXTERNAL_ALGORITHMS,
    types: ['at+jwt', 'jwt', ''],
    keys: async () => external.publicKey,
  };
  const make = (claims: Record<string, unknown>) =>
    new SignJWT({
      iss: trust.issuer,
      aud: [AUDIENCE, 'other'],
      sub: 'u1',
      exp: NOW / 1000 + 60,
      scope: 'user/*.rs',
      ...claims,
    })
      .setProtectedHeader({ alg: 'RS256' })
      .sign(external.privateKey);
  const check = async (claims: Record<string, unknown>) =>
    verifier(movable(), [ownIssuer(ORIGIN, key), trust]).verify(await make(claims));

  it('are believed about their practitioners, with UDAP and IUA claims', async () => {
    expect(
      await check({
        fhirUser: 'https://idp.example/fhir/Practitioner/9',
        azp: 'app',
        extensions: {
          'hl7-b2b': { purpose_of_use: ['urn:oid:2.16.840.1.113883.5.8#ETREAT'], organization_id: 'urn:npi|1' },
        },
      }),
    ).toMatchObject({
      principal: {
        role: 'practitioner',
        purpose: 'ETREAT',
        organization: 'urn:npi|1',
        client: 'app',
        ownInstitution: false,
      },
    });
  });

  it.each([
    [{ role: 'system' }],
    [{ role: 'researcher' }],
    [{ role: 'patient', patient: 'p1' }],
    [{ role: 'practitioner', patient: 'p1' }],
  ])('are not believed about %j', async (claims) => {
    expect(await check(claims)).toMatchObject({ fault: 'claims' });
  });

  it('whose keys are out of reach are told apart from bad tokens', async () => {
    const away: TokenIssuer = {
      ...trust,
      keys: async () => {
        throw new Error('fetch failed');
      },
    };
    expect(await verifier(movable(), [away]).verify(await make({ role: 'practitioner' }))).toMatchObject({
      fault: 'keys-unavailable',
    });
  });
});
