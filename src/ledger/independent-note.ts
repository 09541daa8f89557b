/**
 * The second reader of checkpoints (C2SP signed-note, tlog-checkpoint), for `anamnesis verify` and the tests. It shares no
 * code with `note` and `checkpoint`, and hashes with @noble/hashes.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import type { Ed25519Check } from './signature-check.ts';

/** A key that signs notes, as a vkey says it. Type 1: Ed25519; type 4: cosignature/v1; lines of others are not checked. */
export interface NoteKey {
  readonly name: string;
  readonly type: number;
  /** 32 bytes for the types 1 and 4. */
  readonly publicKey: Buffer;
}

export interface IndependentCheckpoint {
  readonly origin: string;
  readonly size: number;
  /** 32 bytes. */
  readonly root: Buffer;
  /** True when a signature line of the key is there and all such lines verify. */
  readonly signed: boolean;
}

/** First four bytes of SHA-256(name ‖ LF ‖ signature type ‖ public key), hex. */
export function ed25519KeyId(name: string, type: number, publicKey: Uint8Array): string {
  const head = Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(type)]);
  return Buffer.from(sha256(Buffer.concat([head, publicKey])).subarray(0, 4)).toString('hex');
}

/**
 * Reads a checkpoint and checks the Ed25519 signature of the key `name` (32 raw bytes) on it. Undefined when it is
 * malformed: not text with three lines, an empty line and signature lines.
 */
export function readCheckpoint(
  note: string,
  name: string,
  publicKey: Uint8Array,
  check: Ed25519Check,
): IndependentCheckpoint | undefined {
  const separator = note.lastIndexOf('\n\n') + 1;
  if (separator === 0 || !note.endsWith('\n')) return undefined;
  const text = note.slice(0, separator);
  const lines = text.split('\n');
  const size = Number(lines[1]);
  const root = Buffer.from(lines[2] ?? '', 'base64');
  if (lines.length < 4 || lines[0] === '' || String(size) !== lines[1] || !Number.isSafeInteger(size) || size < 0) {
    return undefined;
  }
  if (root.length !== 32 || root.toString('base64') !== lines[2]) return undefined;
  const keyId = ed25519KeyId(name, 1, publicKey);
  let good = 0;
  let bad = 0;
  for (const line of note.slice(separator + 1, -1).split('\n')) {
    const [dash, signer, encoded, ...more] = line.split(' ');
    if (dash !== '\u2014' || signer === '' || encoded === undefined || more.length > 0) return undefined;
    const bytes = Buffer.from(encoded, 'base64');
    // Node reads much as base64 that is none: no bit of a line may be without meaning.
    if (bytes.length < 5 || bytes.toString('base64') !== encoded) return undefined;
    if (signer !== name || bytes.toString('hex', 0, 4) !== keyId) continue;
    if (check(bytes.subarray(4), Buffer.from(text), publicKey)) good += 1;
    else bad += 1;
  }
  return { origin: lines[0], size, root, signed: good > 0 && bad === 0 };
}

/** Reads `<name>+<8 hex digits>+<base64>` with a key of any type, Ed25519 for the types 1 and 4; undefined for anything else. */
export function readNoteKey(vkey: string): NoteKey | undefined {
  const [name, id, ...rest] = vkey.trim().split('+');
  const bytes = Buffer.from(rest.join('+'), 'base64');
  if (name === '' || /\s/.test(name) || bytes.length < 2 || bytes.toString('base64') !== rest.join('+'))
    return undefined;
  const key = { name, type: bytes[0], publicKey: bytes.subarray(1) };
  if (isEd25519(key) && bytes.length !== 33) return undefined;
  return ed25519KeyId(name, key.type, key.publicKey) === id ? key : undefined;
}

/** True for the types whose signatures are checked here: 1 and 4. */
export function isEd25519({ type }: NoteKey): boolean {
  return type === 1 || type === 4;
}
