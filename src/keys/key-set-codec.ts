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
import type { KeyPair, KeySet } from './key-set.ts';

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

function keySetOf(pair: (role: Role) => KeyPair, master: KeyObject): KeySet {
  const pairs = {
    sign: pair('sign'),
    log: pair('log'),
    witness: pair('witness'),
    mirror: pair('mirror'),
    encrypt: pair('encrypt'),
    issuer: pair('issuer'),
  };
  return { ...pairs, master, fingerprint: fingerprintOf(pairs, master) };
}

/** A fresh key set: every role its own key. */
export function generateKeySet(random: Random): KeySet {
  const master = random.bytes(32);
  const keySet = keySetOf((role) => generatePair(CURVES[role], random), createSecretKey(master));
  master.fill(0);
  return keySet;
}

/** The key set as JWK Set text, private parts included. */
export function encodeKeySet(keySet: KeySet): string {
  const pairs = ROLES.map((role) => ({ kid: role, ...keySet[role].privateKey.export({ format: 'jwk' }) }));
  return JSON.stringify({ keys: [...pairs, { kid: 'master', ...keySet.master.export({ format: 'jwk' }) }] });
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
    const master = fromBase64url(one('master').k ?? '');
    if (master?.length !== 32) throw new Error('master is not an AES-256 key');
    return keySetOf((role) => {
      const jwk = one(role);
      if (jwk.crv !== CURVES[role]) throw new Error(`wrong curve for the role ${role}`);
      return pairOf(createPrivateKey({ key: jwk, format: 'jwk' }), CURVES[role]);
    }, createSecretKey(master));
  } catch {
    // The cause is left out on purpose: errors of parsers quote their input, which is key material here.
    throw new GatewayError('integrity', 'the key file does not hold a whole key set of this version');
  }
}

function parseKeys(text: string): JsonWebKey[] {
  const set: unknown = JSON.parse(text);
  const isKey = (key: unknown): key is JsonWebKey => typeof key === 'object' && key !== null;
  if (typeof set !== 'object' || set === null || !('keys' in set) || !Array.isArray(set.keys)) return [];
  return set.keys.filter(isKey);
}
