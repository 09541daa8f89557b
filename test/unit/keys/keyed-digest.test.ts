import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { lengthPrefixed } from '../../../src/core/bytes.ts';
import type { ResourceKey } from '../../../src/core/ids.ts';
import {
  aliasHash,
  lockboxSlot,
  messageKey,
  resourceKey,
  searchToken,
  sourceNumber,
  type IndexSecret,
} from '../../../src/keys/index-secret.ts';
import { keyedDigest, numberDigest } from '../../../src/keys/keyed-digest.ts';
import { labelSet } from '../../../src/labels/label.ts';

const hmac = (secret: Buffer, parts: readonly string[]): Buffer =>
  createHmac('sha256', secret).update(lengthPrefixed(parts)).digest();

it("is node's HMAC-SHA256 of the length-prefixed parts, short, long, in any script, with any key", () => {
  const part = fc.oneof(
    fc.string(),
    fc.string({ unit: 'grapheme', maxLength: 40 }),
    fc.string({ minLength: 900, maxLength: 3_000 }),
  );
  const secret = fc.oneof(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.uint8Array({ maxLength: 100 }));
  fc.assert(
    fc.property(secret, fc.array(part, { maxLength: 6 }), (bytes, parts) => {
      const key = Buffer.from(bytes);
      expect(keyedDigest(key, parts, 'hex')).toBe(hmac(key, parts).toString('hex'));
      expect(keyedDigest(key, parts, 'base64url')).toBe(hmac(key, parts).toString('base64url'));
    }),
  );
});

it("is node's HMAC-SHA256 of a number as eight bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.maxSafeNat(), (bytes, n) => {
      const eight = Buffer.alloc(8);
      eight.writeBigUInt64BE(BigInt(n));
      const expected = createHmac('sha256', bytes).update(eight).digest('base64url');
      expect(numberDigest(bytes, n, 'base64url')).toBe(expected);
    }),
  );
});

it('keys, hashes, slots and tokens keep the form in which they are stored', () => {
  const secret = Buffer.alloc(32, 7) as IndexSecret;
  const uuid = (bytes: Buffer): string =>
    bytes.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  expect(resourceKey(secret, 'Patient', 'p1')).toBe(uuid(hmac(secret, ['resource', 'Patient', 'p1'])));
  expect(aliasHash(secret, 'Patient', ['a', 'b'])).toBe(
    hmac(secret, ['alias', 'Patient', 'a', 'b']).toString('base64url'),
  );
  const labels = labelSet(['N']);
  const patient = 'x' as ResourceKey;
  expect(lockboxSlot(secret, patient, labels, 3)).toBe(uuid(hmac(secret, ['lockbox', 'x', labels, '3'])));
  expect(messageKey(secret, 'lab', 'c1', Buffer.from('m')).control).toBe(uuid(hmac(secret, ['control', 'lab', 'c1'])));
  for (const value of ['a', 'b', 'c', 'd', 'e']) {
    expect(searchToken(secret, ['Observation', value])).toBe(
      hmac(secret, ['token', 'Observation', value]).readBigInt64BE(0),
    );
    expect(sourceNumber(secret, value)).toBe(hmac(secret, ['source', value]).readInt32BE(0));
  }
});
