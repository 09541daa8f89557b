/**
 * Making a key set, and its form outside this process: a JWK Set (RFC 7517, RFC 8037 for Ed25519 and X25519) in which
 * `kid` names the role. Pure: who keeps the text, and under what protection, is a KeyProvider's matter.
 */
import {
  createECDH,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto';
import { fromBase64url, toBase64url } from '../core/bytes.ts';
import { GatewayError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import { ROTATABLE_ROLES, type KeyHistory, type KeyPair, type KeySet, type PendingRotation } from './key-set.ts';

/** Roles with a key pair and the curve of each, in the order in which the fingerprint takes them. */
const CURVES = {
  sign: 'Ed25519',
  log: 'Ed25519',
  witness: 'Ed25519',
  mirror: 'Ed25519',
  encrypt: 'X25519',
  issuer: 'P-256',
} as const;
type Role = keyof typeof CURVES;
type Curve = (typeof CURVES)[Role];

/** PKCS #8 of a raw private key: all of it but the 32 bytes at its end (RFC 8410 section 10.3). */
const PKCS8_PREFIX = {
  Ed25519: Buffer.from('302e020100300506032b657004220420', 'hex'),
  X25519: Buffer.from('302e020100300506032b656e04220420', 'hex'),
};

function pairOf(privateKey: KeyObject, curve: Curve): KeyPair {
  const publicKey = createPublicKey(privateKey);
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
  const raw =
    curve === 'P-256'
      ? [Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]
      : [Buffer.from(x, 'base64url')];
  return { privateKey, publicKey, rawPublicKey: Buffer.concat(raw) };
}

function generatePair(curve: Curve, random: Random): KeyPair {
  const secret = random.bytes(32);
  try {
    if (curve !== 'P-256') {
      const der = Buffer.concat([PKCS8_PREFIX[curve], secret]);
      return pairOf(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }), curve);
    }
    const ecdh = createECDH('prime256v1');
    // Throws for 0 and for numbers beyond the order of the curve: once in 2^32 draws.
    ecdh.setPrivateKey(secret);
    const point = ecdh.getPublicKey();
    const part = (from: number, to: number): string => point.toString('base64url', from, to);
    const key: JsonWebKey = { kty: 'EC', crv: 'P-256', d: toBase64url(secret), x: part(1, 33), y: part(33, 65) };
    return pairOf(createPrivateKey({ key, format: 'jwk' }), curve);
  } finally {
    secret.fill(0);
  }
}

/** SHA-256 over the public keys in the order of CURVES and a keyed check value of master, base64url. */
function fingerprintOf(pairs: Readonly<Record<Role, KeyPair>>, master: KeyObject): string {
  const hash = createHash('sha256').update('anamnesis key set 1');
  for (const role of ROLES) hash.update(pairs[role].rawPublicKey);
  return hash.update(createHmac('sha256', master).update('anamnesis key set fingerprint').digest()).digest('base64url');
}

const ROLES = ['sign', 'log', 'witness', 'mirror', 'encrypt', 'issuer'] as const satisfies readonly Role[];

/** What a key set has besides its current keys. */
type KeyCare = Pick<KeySet, 'history' | 'renewed' | 'pending'>;

const NO_HISTORY: KeyHistory = { sign: [], issuer: [], encrypt: [], master: [], log: [] };

/** A key set of these current keys, with its fingerprint. */
export function keySetOf(pair: (role: Role) => KeyPair, master: KeyObject, care: KeyCare): KeySet {
  const pairs = {
    sign: pair('sign'),
    log: pair('log'),
    witness: pair('witness'),
    mirror: pair('mirror'),
    encrypt: pair('encrypt'),
    issuer: pair('issuer'),
  };
  return { ...pairs, master, fingerprint: fingerprintOf(pairs, master), ...care };
}

/** A fresh key set: every role its own key. */
export function generateKeySet(random: Random): KeySet {
  const master = random.bytes(32);
  const care = { history: NO_HISTORY, renewed: false, pending: undefined };
  const keySet = keySetOf((role) => generatePair(CURVES[role], random), createSecretKey(master), care);
  master.fill(0);
  return keySet;
}

/** A fresh key for one role. */
export function generateKey(role: Role | 'master', random: Random): KeyPair | KeyObject {
  if (role !== 'master') return generatePair(CURVES[role], random);
  const master = random.bytes(32);
  try {
    return createSecretKey(master);
  } finally {
    master.fill(0);
  }
}

/** The key set as JWK Set text, private parts included. */
export function encodeKeySet(keySet: KeySet): string {
  const pairs = ROLES.map((role) => ({ kid: role, ...keySet[role].privateKey.export({ format: 'jwk' }) }));
  const master = {
    kid: 'master',
    ...keySet.master.export({ format: 'jwk' }),
    ...(keySet.renewed ? { renewed: true } : {}),
  };
  return JSON.stringify({
    keys: [...pairs, master, ...encodeHistory(keySet.history), ...encodePending(keySet.pending)],
  });
}

/** Replaced keys: `kid` is the role and `/retired`; of `sign` and `issuer` the public part alone. */
function encodeHistory({ sign, issuer, encrypt, master, log }: KeyHistory): object[] {
  const jwk = (key: KeyObject): object => key.export({ format: 'jwk' });
  return [
    ...sign.map((raw) => ({ kid: 'sign/retired', kty: 'OKP', crv: 'Ed25519', x: toBase64url(raw) })),
    ...issuer.map(({ publicKey, until }) => ({ kid: 'issuer/retired', ...jwk(publicKey), until })),
    ...encrypt.map(({ privateKey }) => ({ kid: 'encrypt/retired', ...jwk(privateKey) })),
    ...master.map((key) => ({ kid: 'master/retired', ...jwk(key) })),
    ...log.map(({ origin, publicKey }) => ({
      kid: 'log/retired',
      kty: 'OKP',
      crv: 'Ed25519',
      x: toBase64url(publicKey),
      origin,
    })),
  ];
}

function encodePending(pending: PendingRotation | undefined): object[] {
  if (pending === undefined) return [];
  const { role, key, begunAt, origin } = pending;
  const secret = 'privateKey' in key ? key.privateKey : key;
  const given = origin === undefined ? {} : { origin };
  return [{ kid: `${role}/pending`, ...secret.export({ format: 'jwk' }), begunAt, ...given }];
}

/** Throws `integrity` when the text is not a whole key set; the message never repeats any of it. */
export function decodeKeySet(text: string): KeySet {
  try {
    const keys = parseKeys(text);
    const one = (role: string): JsonWebKey => {
      const found = keys.filter((key) => 'kid' in key && key.kid === role);
      if (found.length !== 1) throw new Error(`${found.length} keys for the role ${role}`);
      return found[0];
    };
    const care = {
      history: {
        sign: all(keys, 'sign/retired').map((jwk) => rawEd25519(jwk)),
        issuer: all(keys, 'issuer/retired').map((jwk) => ({
          publicKey: createPublicKey({ key: jwk, format: 'jwk' }),
          until: numberOf(jwk, 'until'),
        })),
        encrypt: all(keys, 'encrypt/retired').map((jwk) => decodePair(jwk, 'encrypt')),
        master: all(keys, 'master/retired').map(decodeMaster),
        log: all(keys, 'log/retired').map((jwk) => ({ origin: textOf(jwk, 'origin'), publicKey: rawEd25519(jwk) })),
      },
      renewed: 'renewed' in one('master'),
      pending: decodePending(keys),
    };
    return keySetOf((role) => decodePair(one(role), role), decodeMaster(one('master')), care);
  } catch {
    // The cause is left out on purpose: errors of parsers quote their input, which is key material here.
    throw new GatewayError('integrity', 'the key file does not hold a whole key set of this version');
  }
}

function all(keys: readonly JsonWebKey[], kid: string): JsonWebKey[] {
  return keys.filter((key) => 'kid' in key && key.kid === kid);
}

function decodePair(jwk: JsonWebKey, role: Role): KeyPair {
  if (jwk.crv !== CURVES[role]) throw new Error(`wrong curve for the role ${role}`);
  return pairOf(createPrivateKey({ key: jwk, format: 'jwk' }), CURVES[role]);
}

function decodeMaster(jwk: JsonWebKey): KeyObject {
  const master = fromBase64url(jwk.k ?? '');
  if (master?.length !== 32) throw new Error('master is not an AES-256 key');
  return createSecretKey(master);
}

function rawEd25519(jwk: JsonWebKey): Buffer {
  const raw = fromBase64url(jwk.x ?? '');
  if (raw?.length !== 32) throw new Error('not a public key of 32 bytes');
  return raw;
}

function numberOf(jwk: JsonWebKey, name: string): number {
  const value: unknown = new Map<string, unknown>(Object.entries(jwk)).get(name);
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw new Error(`${name} is not a number`);
  return value;
}

function textOf(jwk: JsonWebKey, name: string): string {
  const value: unknown = new Map<string, unknown>(Object.entries(jwk)).get(name);
  if (typeof value !== 'string' || value === '') throw new Error(`${name} is not a text`);
  return value;
}

function decodePending(keys: readonly JsonWebKey[]): PendingRotation | undefined {
  for (const role of [...ROTATABLE_ROLES, 'log'] as const) {
    const [jwk] = all(keys, `${role}/pending`);
    if (jwk === undefined) continue;
    return {
      role,
      ...(role === 'log' ? { origin: textOf(jwk, 'origin') } : {}),
      key: role === 'master' ? decodeMaster(jwk) : decodePair(jwk, role),
      begunAt: numberOf(jwk, 'begunAt'),
    };
  }
  return undefined;
}

function parseKeys(text: string): JsonWebKey[] {
  const set: unknown = JSON.parse(text);
  const isKey = (key: unknown): key is JsonWebKey => typeof key === 'object' && key !== null;
  if (typeof set !== 'object' || set === null || !('keys' in set) || !Array.isArray(set.keys)) return [];
  return set.keys.filter(isKey);
}
