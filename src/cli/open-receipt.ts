/**
 * Opens the line that a receipt is about, for whoever holds the lockbox key. By `jose`, which shares no code with what
 * sealed it. AES-GCM alone does not commit to its key; the tag in the header does (HMAC of the lockbox key), so it is found
 * again first: the one key opens the one text.
 */
import { createHmac } from 'node:crypto';
import { compactDecrypt } from 'jose';
import { u64be } from '../core/bytes.ts';
import type { ReceiptContents } from '../ledger/receipt-contents.ts';

/** Tag numbers tried: seconds of work, more than a patient's lockbox ever uses. */
const TAGS = 4_000_000;

/** The line (the whole text where the receipt names no line); undefined when this key is not the one that sealed it. */
export async function openReceipt(contents: ReceiptContents | undefined, key: Uint8Array): Promise<string | undefined> {
  if (contents?.sealed === undefined || key.length !== 32) return undefined;
  try {
    const { plaintext, protectedHeader } = await compactDecrypt(contents.sealed, key, {
      keyManagementAlgorithms: ['A256KW'],
      contentEncryptionAlgorithms: ['A256GCM'],
    });
    if (!isTag(key, protectedHeader.kid)) return undefined;
    const text = Buffer.from(plaintext).toString('utf8');
    return contents.line === undefined ? text.trimEnd() : text.split('\n')[contents.line];
  } catch {
    return undefined;
  }
}

function isTag(key: Uint8Array, kid: unknown): boolean {
  for (let n = 0; n < TAGS; n += 1) {
    if (createHmac('sha256', key).update(u64be(n)).digest('base64url') === kid) return true;
  }
  return false;
}
