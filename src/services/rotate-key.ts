/**
 * Says in the ledger that the key of a role is another one from here on: a `key` document, signed by the old `sign` key, and in
 * the same commit the fingerprint of the new key set, so that no process with the old one writes another document.
 */
import { sign } from 'node:crypto';
import { GatewayError } from '../core/errors.ts';
import { firstOrigin, type KeySet } from '../keys/key-set.ts';
import { pendingPublicKey } from '../keys/rotate.ts';
import { documentKeyId, documentSigner, keyProofText, type DocumentBody } from '../record/document.ts';
import { commitAlone } from '../write/commit-alone.ts';
import { emptyItem, type CommitStore } from '../write/ports.ts';

/** The document of a pending rotation. */
function keyDocument(keySet: KeySet, origin: string): DocumentBody {
  const { pending } = keySet;
  if (pending === undefined) throw new GatewayError('internal', 'there is no rotation to anchor');
  const publicKey = pendingPublicKey(keySet)?.toString('base64url');
  const body = { v: 1, typ: 'key', payloads: [], sealed: '', role: pending.role } as const;
  if (publicKey === undefined) return body;
  if (pending.role !== 'sign' || !('privateKey' in pending.key)) return { ...body, publicKey };
  const text = keyProofText(firstOrigin(keySet, origin), documentKeyId(keySet.sign.rawPublicKey));
  return { ...body, publicKey, proof: sign(null, text, pending.key.privateKey).toString('base64url') };
}

/**
 * Anchors the pending rotation of `keySet`; `fingerprint` is that of the key set that comes out of it. Durable on return with
 * the leaf. `store` must be fenced by the fingerprint of `keySet`: a second rotation at the same time fails (`unavailable`).
 */
export async function anchorRotation(
  store: CommitStore,
  keySet: KeySet,
  origin: string,
  fingerprint: string,
): Promise<number> {
  const document = documentSigner(keySet.sign)(keyDocument(keySet, origin));
  const item = { ...emptyItem(), documents: [{ digest: document.digest, body: document.bytes }], fingerprint };
  return commitAlone(store, keySet, origin, item);
}
