import { createHash, sign, verify } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { systemRandom, type Random } from '../../../src/core/random.ts';
import { decodeKeySet, encodeKeySet, generateKeySet } from '../../../src/keys/key-set-codec.ts';

const ROLES = ['sign', 'log', 'witness', 'mirror', 'encrypt', 'issuer'] as const;

/** Reproducible bytes. */
function seeded(seed: number): Random {
  let n = 0;
  return {
    bytes: (length) => {
      n += 1;
      return createHash('shake256', { outputLength: length }).update(`${seed} ${n}`).digest();
    },
  };
}

test('decoding what was encoded is the identity', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const keySet = generateKeySet(seeded(seed));
      const again = decodeKeySet(encodeKeySet(keySet));
      expect(again.fingerprint).toBe(keySet.fingerprint);
      expect(again.master.equals(keySet.master)).toBe(true);
      for (const role of ROLES) {
        expect(again[role].privateKey.equals(keySet[role].privateKey)).toBe(true);
        expect(again[role].rawPublicKey).toEqual(keySet[role].rawPublicKey);
      }
    }),
    { numRuns: 20 },
  );
});

test('every role has its own key, of its own kind', () => {
  const keySet = generateKeySet(systemRandom);
  expect(new Set(ROLES.map((role) => keySet[role].rawPublicKey.toString('hex'))).size).toBe(6);
  expect(ROLES.map((role) => keySet[role].rawPublicKey.length)).toEqual([32, 32, 32, 32, 32, 65]);
  expect(keySet.master.symmetricKeySize).toBe(32);
  expect(keySet.fingerprint).toMatch(/^[\w-]{43}$/);
  expect(generateKeySet(systemRandom).fingerprint).not.toBe(keySet.fingerprint);
});

test('the pairs sign and verify', () => {
  const keySet = generateKeySet(systemRandom);
  for (const [role, digest] of [
    ['log', null],
    ['sign', null],
    ['issuer', 'sha256'],
  ] as const) {
    const signature = sign(digest, Buffer.from('x'), keySet[role].privateKey);
    expect(verify(digest, Buffer.from('x'), keySet[role].publicKey, signature)).toBe(true);
  }
});

test('another master alone changes the fingerprint', () => {
  const set = JSON.parse(encodeKeySet(generateKeySet(seeded(1))));
  const other = JSON.parse(encodeKeySet(generateKeySet(seeded(2))));
  const swapped = { keys: [...set.keys.slice(0, 6), other.keys[6]] };
  expect(decodeKeySet(JSON.stringify(swapped)).fingerprint).not.toBe(generateKeySet(seeded(1)).fingerprint);
});

test.each([
  ['not JSON', '{'],
  ['null', 'null'],
  ['no keys', '{"keys":[]}'],
  ['a list of nothing', '{"keys":[null,1]}'],
])('%s is refused as integrity', (_, text) => {
  expect(() => decodeKeySet(text)).toThrowError(expect.objectContaining({ code: 'integrity' }));
});

test('a missing, doubled or swapped role is refused without repeating key material', () => {
  const set = JSON.parse(encodeKeySet(generateKeySet(seeded(3))));
  const [sign_, , , , encrypt] = set.keys;
  const broken = [
    set.keys.slice(1),
    [...set.keys, sign_],
    [...set.keys.slice(1), { ...encrypt, kid: 'sign' }],
    [...set.keys.slice(1), { ...sign_, d: sign_.d.slice(4) }],
  ];
  for (const keys of broken) {
    try {
      decodeKeySet(JSON.stringify({ keys }));
      expect.unreachable();
    } catch (thrown) {
      expect(thrown).toMatchObject({ code: 'integrity' });
      expect(thrown).not.toHaveProperty('cause');
    }
  }
});
