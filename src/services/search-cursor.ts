/**
 * Paging tokens: the whole search and the place where its next page begins, encrypted, so that neither parameters nor ids
 * stand in a URL and nobody can make or change one. Pinned to a size of the log and to the one who asked; any process of
 * the gateway can read it. Valid for CURSOR_TTL_MS.
 */
import { createCipheriv, createDecipheriv, createHash, createHmac } from 'node:crypto';
import { fromBase64url, lengthPrefixed } from '../core/bytes.ts';
import { GatewayError } from '../core/errors.ts';
import type { GroupNumber } from '../core/ids.ts';
import { CURSOR_TTL_MS } from '../core/limits.ts';
import type { Principal } from '../core/principal.ts';
import type { Random } from '../core/random.ts';
import type { IndexSecret } from '../keys/index-secret.ts';

/**
 * Where a page ended. In a scan: sort time, group, line. In a list of ids: how many were done. In what is rendered from messages:
 * the leaf, and which of its resources is next.
 */
export type Place =
  | { readonly kind: 'rendered'; readonly leaf: number; readonly part: number }
  | { readonly kind: 'scan'; readonly sortTime: number; readonly group: GroupNumber; readonly line: number }
  | { readonly kind: 'ids'; readonly done: number };

export interface Cursor {
  readonly type: string;
  readonly parameters: readonly (readonly [string, string])[];
  readonly count: number;
  /** Leaves of the log when the first page was made. */
  readonly size: number;
  readonly place: Place;
  /** The total that the first page gave. */
  readonly total: number | undefined;
}

interface Sealed extends Cursor {
  readonly expires: number;
}

const IV_BYTES = 12;
const TAG_BYTES = 16;

function keyOf(secret: IndexSecret): Buffer {
  return createHmac('sha256', secret).update('cursor').digest();
}

/** What binds a cursor to who asked: another person, client or purpose cannot use it. */
function holder({ issuer, subject, role, client, patient, purpose }: Principal): Buffer {
  return createHash('sha256')
    .update(lengthPrefixed(['cursor 1', issuer, subject, role, client ?? '', patient ?? '', purpose]))
    .digest();
}

export function sealCursor(
  secret: IndexSecret,
  principal: Principal,
  cursor: Cursor,
  now: number,
  random: Random,
): string {
  const iv = random.bytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', keyOf(secret), iv);
  cipher.setAAD(holder(principal));
  const sealed: Sealed = { ...cursor, expires: now + CURSOR_TTL_MS };
  const text = Buffer.concat([cipher.update(JSON.stringify(sealed)), cipher.final()]);
  return Buffer.concat([iv, text, cipher.getAuthTag()]).toString('base64url');
}

/** Throws `invalid-syntax` for what is no cursor of this caller, `expired` for an old one. */
export function openCursor(secret: IndexSecret, principal: Principal, text: string, now: number): Cursor {
  const bytes = fromBase64url(text);
  if (bytes === undefined || bytes.length <= IV_BYTES + TAG_BYTES) throw unreadable();
  let sealed: Sealed;
  try {
    const decipher = createDecipheriv('aes-256-gcm', keyOf(secret), bytes.subarray(0, IV_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(holder(principal));
    decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
    const plain = decipher.update(bytes.subarray(IV_BYTES, bytes.length - TAG_BYTES));
    sealed = JSON.parse(Buffer.concat([plain, decipher.final()]).toString()) as Sealed;
  } catch {
    throw unreadable();
  }
  if (sealed.expires < now) throw new GatewayError('expired', 'this page is no longer kept: run the search again');
  return sealed;
}

function unreadable(): GatewayError {
  return new GatewayError('invalid-syntax', '_cursor: not a page of a search of this caller');
}
