/**
 * What our receipts carry in the `extra` line of a tlog-proof: JSON of version 1 with the document of the leaf and a place in
 * it. Apart from `receipt`, so that the independent checker needs nothing of the code that makes proofs.
 */

/** What the receipt says about its leaf. */
export interface ReceiptContents {
  /** The document whose SHA-256 is in the leaf: compact JWS, ASCII. */
  readonly document: string;
  /** Ordinal of a payload that the document names. */
  readonly payload?: number;
  /** The payload: compact JWE, ASCII. Ciphertext: a receipt opens nothing. */
  readonly sealed?: string;
  /** Line of the payload's plaintext, from 0: one record version. Where to look: nothing that is signed says it in clear. */
  readonly line?: number;
}

/** Version 1 has these members and no others: a name that was changed is not passed over. */
const MEMBERS = new Set(['v', 'document', 'payload', 'sealed', 'line']);

/** What stands in the `extra` of a receipt, unverified; undefined when it is not in the form of version 1. */
export function parseContents(extra: Uint8Array): ReceiptContents | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(extra).toString());
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const fields: ReadonlyMap<string, unknown> = new Map(Object.entries(value));
  if ([...fields.keys()].some((name) => !MEMBERS.has(name))) return undefined;
  const [document, sealed] = [fields.get('document'), fields.get('sealed')];
  const [payload, line] = [fields.get('payload'), fields.get('line')];
  const count = (n: unknown): n is number | undefined => n === undefined || (Number.isSafeInteger(n) && Number(n) >= 0);
  if (fields.get('v') !== 1 || typeof document !== 'string' || !count(payload) || !count(line)) return undefined;
  if (sealed !== undefined && typeof sealed !== 'string') return undefined;
  if (payload === undefined && (sealed !== undefined || line !== undefined)) return undefined;
  return {
    document,
    ...(payload === undefined ? {} : { payload }),
    ...(sealed === undefined ? {} : { sealed }),
    ...(line === undefined ? {} : { line }),
  };
}
