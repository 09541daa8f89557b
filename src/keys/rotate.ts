/**
 * Replacing the key of a role. Three steps, so that a crash between any two leaves a gateway that opens: the new key is put
 * beside the old one (`beginRotation`), the ledger says that it was replaced, then the old one goes into the history
 * (`finishRotation`). Pure; who keeps the result and who anchors it is others' matter.
 */
import type { KeyObject } from 'node:crypto';
import { GatewayError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import { generateKey, keySetOf } from './key-set-codec.ts';
import type { KeyPair, KeySet, RotatableRole } from './key-set.ts';

/** The same key set with a new key waiting for `role`. Throws `conflict` while another rotation is unfinished. */
export function beginRotation(keySet: KeySet, role: RotatableRole, now: number, random: Random): KeySet {
  if (keySet.pending !== undefined) {
    throw new GatewayError('conflict', `the rotation of ${keySet.pending.role} is not finished: finish it first`);
  }
  if (role === 'master' && keySet.history.master.length > 0) {
    throw new GatewayError(
      'conflict',
      'the wraps are not all renewed after the last rotation of master: finish it first',
    );
  }
  return { ...keySet, pending: { role, key: generateKey(role, random), begunAt: now } };
}

/** The same key set with a log key waiting for the log that follows that of `origin`. Throws `conflict` as `beginRotation`. */
export function beginSuccession(keySet: KeySet, origin: string, now: number, random: Random): KeySet {
  const { pending } = keySet;
  if (pending?.role === 'log' && pending.origin === origin) return keySet;
  if (pending !== undefined)
    throw new GatewayError('conflict', `the rotation of ${pending.role} is not finished: finish it first`);
  return { ...keySet, pending: { role: 'log', origin, key: generateKey('log', random), begunAt: now } };
}

/**
 * The key set that comes out of the pending rotation; the same when there is none. `tokenLifeMs`: how long a token of the
 * old issuer key can be valid.
 */
export function finishRotation(keySet: KeySet, tokenLifeMs: number): KeySet {
  const { pending, history } = keySet;
  if (pending === undefined) return keySet;
  const { role, key, begunAt } = pending;
  const pair = (name: Exclude<RotatableRole, 'master'> | 'log'): KeyPair =>
    name === role && 'privateKey' in key ? key : keySet[name];
  const isMaster = role === 'master' && !('privateKey' in key);
  const { rawPublicKey } = keySet.sign;
  const { publicKey } = keySet.issuer;
  return keySetOf(pair, isMaster ? key : keySet.master, {
    history: {
      sign: role === 'sign' ? [...history.sign, rawPublicKey] : history.sign,
      issuer: role === 'issuer' ? [...history.issuer, { publicKey, until: begunAt + tokenLifeMs }] : history.issuer,
      encrypt: role === 'encrypt' ? [...history.encrypt, keySet.encrypt] : history.encrypt,
      master: isMaster ? [...history.master, keySet.master] : history.master,
      log:
        role === 'log'
          ? [...history.log, { origin: pending.origin ?? '', publicKey: keySet.log.rawPublicKey }]
          : history.log,
    },
    renewed: keySet.renewed || isMaster,
    pending: undefined,
  });
}

/** The key set without the masters that nothing is sealed under any more: what they sealed before is lost for good. */
export function withoutOldMasters(keySet: KeySet): KeySet {
  return { ...keySet, history: { ...keySet.history, master: [] } };
}

/** The key set that a database with this fingerprint was written with: this one, or what its pending rotation gives. */
export function keySetFor(keySet: KeySet, fingerprint: string | undefined, tokenLifeMs: number): KeySet {
  const next = finishRotation(keySet, tokenLifeMs);
  return fingerprint === next.fingerprint ? next : keySet;
}

/** Raw public key that a role gets by the pending rotation; undefined for `master` and when there is none. */
export function pendingPublicKey(keySet: KeySet): Buffer | undefined {
  const key: KeyPair | KeyObject | undefined = keySet.pending?.key;
  return key !== undefined && 'rawPublicKey' in key ? key.rawPublicKey : undefined;
}
