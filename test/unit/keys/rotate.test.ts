/** The key of a log that follows another: kept in the key file with what it replaces, through every step. */
import { expect, it } from 'vitest';
import { systemRandom } from '../../../src/core/random.ts';
import { decodeKeySet, encodeKeySet, generateKeySet } from '../../../src/keys/key-set-codec.ts';
import { firstOrigin, type KeySet } from '../../../src/keys/key-set.ts';
import { beginRotation, beginSuccession, finishRotation, keySetFor } from '../../../src/keys/rotate.ts';

/** As a key file gives it back. */
const kept = (keySet: KeySet): KeySet => decodeKeySet(encodeKeySet(keySet));
const TOKEN_LIFE_MS = 1000;

it('is another log key and the same of all else, and remembers the log that was given up', () => {
  const first = generateKeySet(systemRandom);
  expect(firstOrigin(first, 'a.example')).toBe('a.example');
  const begun = kept(beginSuccession(first, 'a.example', 5, systemRandom));
  // Until the new database stands, the old log is the one that this key set writes.
  expect(begun.fingerprint).toBe(first.fingerprint);
  expect(kept(beginSuccession(begun, 'a.example', 9, systemRandom))).toEqual(begun);
  const next = kept(finishRotation(begun, TOKEN_LIFE_MS));
  expect(next.pending).toBeUndefined();
  expect(next.log.rawPublicKey.equals(first.log.rawPublicKey)).toBe(false);
  for (const role of ['sign', 'witness', 'mirror', 'encrypt', 'issuer'] as const) {
    expect(next[role].rawPublicKey.equals(first[role].rawPublicKey), role).toBe(true);
  }
  expect(next.master.equals(first.master)).toBe(true);
  expect(next.history.log).toEqual([{ origin: 'a.example', publicKey: first.log.rawPublicKey }]);
  expect(firstOrigin(next, 'b.example')).toBe('a.example');
  // And once more: documents stay bound to the first.
  const third = kept(finishRotation(beginSuccession(next, 'b.example', 5, systemRandom), TOKEN_LIFE_MS));
  expect(third.history.log.map(({ origin }) => origin)).toEqual(['a.example', 'b.example']);
  expect(firstOrigin(third, 'c.example')).toBe('a.example');
});

it('is found by the fingerprint of the database, whichever side of the change a crash left', () => {
  const first = generateKeySet(systemRandom);
  const begun = kept(beginSuccession(first, 'a.example', 5, systemRandom));
  const next = finishRotation(begun, TOKEN_LIFE_MS);
  expect(keySetFor(begun, first.fingerprint, TOKEN_LIFE_MS).log.rawPublicKey).toEqual(first.log.rawPublicKey);
  expect(keySetFor(begun, next.fingerprint, TOKEN_LIFE_MS).log.rawPublicKey).toEqual(next.log.rawPublicKey);
});

it('waits for a rotation that is not finished, and the other way round', () => {
  const keySet = generateKeySet(systemRandom);
  const rotating = beginRotation(keySet, 'sign', 5, systemRandom);
  expect(() => beginSuccession(rotating, 'a.example', 6, systemRandom)).toThrow(/rotation of sign/);
  const begun = beginSuccession(keySet, 'a.example', 5, systemRandom);
  expect(() => beginRotation(begun, 'sign', 6, systemRandom)).toThrow(/rotation of log/);
  expect(() => beginSuccession(begun, 'b.example', 6, systemRandom)).toThrow(/rotation of log/);
});
