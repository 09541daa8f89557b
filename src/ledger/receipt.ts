/**
 * Receipts: a tlog-proof (C2SP) whose `extra` carries what the leaf stands for, so that one file shows the whole path from a
 * record version to a signed checkpoint: leaf, document (JWS), payload named in it, line in the payload. To any other
 * reader of tlog-proofs `extra` is opaque. `independent-receipt` checks them.
 */
import { formatProof, type TlogProof } from './proof.ts';
import type { ReceiptContents } from './receipt-contents.ts';

/** The receipt as the text of a `.tlog-proof` file. */
export function formatReceipt(proof: Omit<TlogProof, 'extra'>, contents: ReceiptContents): string {
  const { document, payload, sealed, line } = contents;
  return formatProof({ ...proof, extra: Buffer.from(JSON.stringify({ v: 1, document, payload, line, sealed })) });
}
