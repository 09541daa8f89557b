/** Anchors what other gateways have said: one document for each notice, and the row by which it is found. */
import type { DocumentBody, SignedDocument } from '../record/document.ts';
import { noticeBody, type Notice } from '../record/notice.ts';
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
