/** Anchors what other gateways have said: one document for each notice, and the row by which it is found. */
import type { KeyObject } from 'node:crypto';
import { ed25519PublicKey, type KeySet } from '../keys/key-set.ts';
import { parseDocument, verifyDocument, type DocumentBody, type SignedDocument } from '../record/document.ts';
import { noticeBody, noticeOf, type Notice } from '../record/notice.ts';
import { emptyItem, type CommitItem } from '../write/ports.ts';

/** Durable on return. `commit` makes the item durable and anchored. */
export function anchorNotices(
  sign: (body: DocumentBody) => SignedDocument,
  commit: (item: CommitItem) => Promise<unknown>,
): (notice: Notice) => Promise<void> {
  return async (notice) => {
    const { digest, bytes } = sign(noticeBody(notice));
    await commit({ ...emptyItem(), documents: [{ digest, body: bytes }], notice });
  };
}

/** Whether a document of the own log, signed by the present `sign` key or an earlier one, holds a statement. */
export function holdsStatement({ sign, history }: KeySet): (document: Buffer, statement: string) => boolean {
  const keys: readonly KeyObject[] = [sign.publicKey, ...history.sign.map(ed25519PublicKey)];
  return (document, statement) => {
    if (!keys.some((key) => verifyDocument(document, key))) return false;
    const body = parseDocument(document);
    const notice = body.typ === 'suspension' ? noticeOf(body) : undefined;
    return notice?.kind === 'suspension' && notice.statement === statement;
  };
}
