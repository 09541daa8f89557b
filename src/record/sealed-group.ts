/**
 * Sealed group (DESIGN section 4): compact JWE, A256KW + A256GCM, `zip: DEF`, whose plaintext is the NDJSON lines of one
 * message in one lockbox. Made by node:crypto; a test proves that `jose` opens it.
 *
 * The compressed text is a raw deflate stream with a sync flush, closed by one stored block of newlines that pads it to
 * a multiple of 64 bytes, since compressed lengths tell values apart.
 *
 * At rest the five parts stand packed without base64 and without the header, which the tag alone determines:
 *   content type u8 ‖ tag 32 ‖ encrypted key 40 ‖ iv 12 ‖ authentication tag 16 ‖ ciphertext
 * The digest by which a manifest names a payload is that of the compact JWE.
 */
import { createCipheriv, createDecipheriv, createSecretKey, hash, type KeyObject } from 'node:crypto';
import { deflateRawSync, inflateRawSync, constants } from 'node:zlib';
import { GatewayError } from '../core/errors.ts';
import { GROUP_MAX_BYTES, GROUP_PADDING_STEP } from '../core/limits.ts';
import type { Random } from '../core/random.ts';

/** JOSE `cty` values of what we seal; the position is the first byte of the packed form and must never change. */
export const CONTENT_TYPES = [
  'application/fhir+ndjson',
  'application/json',
  'x-application/hl7-v2+er7',
  'application/octet-stream',
] as const;
export type ContentType = (typeof CONTENT_TYPES)[number];

export interface SealedGroup {
  /** Packed form, for storage. */
  readonly packed: Buffer;
  /** SHA-256 of the compact JWE, 32 bytes. */
  readonly digest: Buffer;
  /** Length of the compact JWE in bytes, as manifests publish it. */
  readonly size: number;
}

const TAG_AT = 1;
const KEY_AT = TAG_AT + 32;
const IV_AT = KEY_AT + 40;
const AUTH_AT = IV_AT + 12;
const TEXT_AT = AUTH_AT + 16;
/** AES key wrap default IV (RFC 3394 section 2.2.3.1). */
const WRAP_IV = Buffer.alloc(8, 0xa6);

/** The protected header, base64url: one canonical text for a content type and tag. */
function protectedHeader(cty: ContentType, kid: string): string {
  return Buffer.from(`{"alg":"A256KW","enc":"A256GCM","zip":"DEF","cty":"${cty}","kid":"${kid}"}`).toString(
    'base64url',
  );
}

/** Bytes of the final stored block's header: BFINAL=1 BTYPE=00, LEN, NLEN (RFC 1951 section 3.2.4). */
const STORED_HEADER = 5;

/** Plaintexts up to this size (keys, mostly) are stored: deflate would not make them smaller, and setting it up costs 15 us. */
const STORED_BELOW = 320;

/** Raw deflate of the plaintext, ended by a stored block of newlines that pads it to a multiple of GROUP_PADDING_STEP. */
function compress(plaintext: Buffer): Buffer {
  const body = plaintext.length < STORED_BELOW ? undefined : deflateBody(plaintext);
  const bare = body === undefined ? 2 * STORED_HEADER + plaintext.length : body.length + STORED_HEADER;
  const newlines = (GROUP_PADDING_STEP - (bare % GROUP_PADDING_STEP)) % GROUP_PADDING_STEP;
  const out = Buffer.alloc(bare + newlines, '\n');
  const at = body === undefined ? storedBlock(out, 0, 0, plaintext.length) : body.copy(out);
  if (body === undefined) plaintext.copy(out, at);
  storedBlock(out, bare - STORED_HEADER, 1, newlines);
  return out;
}

/** Writes the header of a stored block; returns where its bytes begin. */
function storedBlock(out: Buffer, at: number, final: 0 | 1, length: number): number {
  out[at] = final;
  out.writeUInt16LE(length, at + 1);
  out.writeUInt16LE(~length & 0xffff, at + 3);
  return at + STORED_HEADER;
}

function deflateBody(plaintext: Buffer): Buffer {
  // Small inputs get a small window: setting up the default 256 KiB of zlib state costs more than compressing them. Level 3
  // takes half the time of the default and, for records as repetitive as these, some 2 % more bytes.
  const [windowBits, memLevel] = plaintext.length <= 8192 ? [13, 6] : [15, 8];
  // Output comes in chunks of memory of their own: room for what compresses worst would be thrown away each time.
  const chunkSize = Math.min(16_384, Math.max(1_024, plaintext.length >> 1));
  return deflateRawSync(plaintext, { finishFlush: constants.Z_SYNC_FLUSH, level: 3, windowBits, memLevel, chunkSize });
}

/**
 * Seals up to GROUP_MAX_BYTES bytes (padding included) under a 256-bit key-encryption key. `kid` is the tag by which
 * holders of the key find the group (`lockboxTag`): 32 bytes base64url, unique under this key. Throws `too-large`.
 */
export function sealGroup(
  kek: KeyObject,
  kid: string,
  cty: ContentType,
  plaintext: Buffer,
  random: Random,
): SealedGroup {
  const { packed, compact } = seal(kek, kid, cty, plaintext, random);
  return { packed, digest: hash('sha256', compact, 'buffer'), size: compact.length };
}

/** As `sealGroup`, for what stands inside a document: its packed form and its compact JWE. */
export function seal(
  kek: KeyObject,
  kid: string,
  cty: ContentType,
  plaintext: Buffer,
  random: Random,
): { readonly packed: Buffer; readonly compact: string } {
  if (plaintext.length + GROUP_PADDING_STEP > GROUP_MAX_BYTES) {
    throw new GatewayError('too-large', `a sealed group holds at most ${GROUP_MAX_BYTES} bytes`);
  }
  const header = protectedHeader(cty, kid);
  const cek = random.bytes(32);
  const iv = random.bytes(12);
  const wrap = createCipheriv('id-aes256-wrap', kek, WRAP_IV);
  const encryptedKey = Buffer.concat([wrap.update(cek), wrap.final()]);
  const cipher = createCipheriv('aes-256-gcm', cek, iv);
  cipher.setAAD(Buffer.from(header, 'ascii'));
  const ciphertext = cipher.update(compress(plaintext));
  cipher.final();
  const authTag = cipher.getAuthTag();
  cek.fill(0);
  const packed = Buffer.allocUnsafe(TEXT_AT + ciphertext.length);
  packed[0] = CONTENT_TYPES.indexOf(cty);
  Buffer.from(kid, 'base64url').copy(packed, TAG_AT);
  encryptedKey.copy(packed, KEY_AT);
  iv.copy(packed, IV_AT);
  authTag.copy(packed, AUTH_AT);
  ciphertext.copy(packed, TEXT_AT);
  return { packed, compact: compactParts(header, packed) };
}

/** The tag (`kid`) of a packed group, base64url. */
export function groupTag(packed: Buffer): string {
  return packed.toString('base64url', TAG_AT, KEY_AT);
}

/** The compact JWE of a packed group, ASCII. Throws `integrity` when the bytes are not a packed group. */
export function compactOf(packed: Buffer): string {
  const cty = CONTENT_TYPES[packed[0]];
  if (cty === undefined || packed.length <= TEXT_AT)
    throw new GatewayError('integrity', 'stored bytes are not a sealed group');
  return compactParts(protectedHeader(cty, groupTag(packed)), packed);
}

function compactParts(header: string, packed: Buffer): string {
  const part = (from: number, to: number): string => packed.toString('base64url', from, to);
  return `${header}.${part(KEY_AT, IV_AT)}.${part(IV_AT, AUTH_AT)}.${part(TEXT_AT, packed.length)}.${part(AUTH_AT, TEXT_AT)}`;
}

/** SHA-256 of the compact JWE of a packed group: the digest by which its manifest names it. Throws `integrity`. */
export function groupDigest(packed: Buffer): Buffer {
  return hash('sha256', compactOf(packed), 'buffer');
}

/** Packs a compact JWE that was made by `sealGroup` (here or at a peer). Throws `integrity` for any other form. */
export function packCompact(compact: string): Buffer {
  const [header, key, iv, text, tag] = compact.split('.').map((part) => Buffer.from(part, 'base64url'));
  const match = /^\{"alg":"A256KW","enc":"A256GCM","zip":"DEF","cty":"([^"]+)","kid":"([\w-]{43})"\}$/.exec(
    header.toString(),
  );
  const cty = CONTENT_TYPES.findIndex((type) => type === match?.[1]);
  if (match === null || cty < 0 || tag === undefined)
    throw new GatewayError('integrity', 'not a sealed group of this format');
  const packed = Buffer.concat([Buffer.from([cty]), Buffer.from(match[2], 'base64url'), key, iv, tag, text]);
  if (compactOf(packed) !== compact) throw new GatewayError('integrity', 'the sealed group is not in canonical form');
  return packed;
}

/**
 * Opens a packed group; for records the caller must hold a permit (`record/open`). The plaintext still ends in padding
 * newlines. Throws `integrity` when anything was changed or the key is another.
 */
export function unsealGroup(kek: KeyObject, packed: Buffer): { cty: ContentType; plaintext: Buffer } {
  try {
    const cty = CONTENT_TYPES[packed[0]];
    const header = protectedHeader(cty, packed.toString('base64url', TAG_AT, KEY_AT));
    const unwrap = createDecipheriv('id-aes256-wrap', kek, WRAP_IV);
    const cek = Buffer.concat([unwrap.update(packed.subarray(KEY_AT, IV_AT)), unwrap.final()]);
    const decipher = createDecipheriv('aes-256-gcm', createSecretKey(cek), packed.subarray(IV_AT, AUTH_AT));
    cek.fill(0);
    decipher.setAAD(Buffer.from(header, 'ascii'));
    decipher.setAuthTag(packed.subarray(AUTH_AT, TEXT_AT));
    const compressed = decipher.update(packed.subarray(TEXT_AT));
    decipher.final();
    return { cty, plaintext: inflateRawSync(compressed, { maxOutputLength: GROUP_MAX_BYTES }) };
  } catch (cause) {
    throw new GatewayError('integrity', 'a sealed group does not open: it was changed, or its key is another', {
      cause,
    });
  }
}
