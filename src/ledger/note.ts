/**
 * Signed notes (C2SP signed-note v1.0.0): text, an empty line, and signature lines `— name base64(keyID ‖ signature)`.
 * Signs with Ed25519 (type 0x01), verifies it and the Ed25519 cosignatures of C2SP tlog-cosignature (type 0x04). The key
 * type is data: keys of other types parse and print, and their lines are ignored as "unknown" when a note is verified.
 */
import { createPublicKey, hash, sign, verify, type KeyObject } from 'node:crypto';

/** Ed25519 over the note's text. */
export const KEY_ED25519 = 0x01;
/** Ed25519 cosignature/v1: a timestamp and Ed25519 over "cosignature/v1\ntime <t>\n" and the note's text. */
export const KEY_COSIGNATURE_V1 = 0x04;

/** Signature lines that a note may carry here; "verifiers MUST accept at least 16". */
const NOTE_MAX_SIGNATURES = 100;
/** Characters of a note. */
const NOTE_MAX_LENGTH = 1_000_000;

/** A key that signs notes: `name` by the rule of `isKeyName`, an Ed25519 key pair, the raw public key of 32 bytes. */
export interface NoteSigner {
  readonly name: string;
  readonly privateKey: KeyObject;
  readonly rawPublicKey: Buffer;
}

/** What a vkey says. */
export interface VerifierKey {
  readonly name: string;
  /** Key id, an unsigned 32-bit integer. */
  readonly id: number;
  /** Signature type byte. */
  readonly type: number;
  /** The bytes after the type byte: for Ed25519 the 32 raw bytes. */
  readonly publicKey: Buffer;
}

export interface NoteSignature {
  readonly name: string;
  readonly id: number;
  /** What follows the key id, at least one byte. */
  readonly signature: Buffer;
}

export interface Note {
  /** The signed text with its final newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** "non-empty, no Unicode spaces, no plus (U+002B)", nor what a note cannot hold: control characters below U+0020. */
export function isKeyName(name: string): boolean {
  // eslint-disable-next-line no-control-regex
  return name !== '' && !/[+\p{White_Space}\u0000-\u001f\p{Cs}]/u.test(name);
}

/** "SHA-256(<name> || 0x0A || <signature type> || <public key>)[:4]", big endian. */
export function keyId(name: string, type: number, publicKey: Uint8Array): number {
  const input = Buffer.concat([Buffer.from(name), Buffer.from([0x0a, type]), publicKey]);
  return hash('sha256', input, 'buffer').readUInt32BE(0);
}

/** The verifier key of a public key: name, its key id, type and bytes. RangeError when the name is not allowed. */
export function verifierKey(name: string, type: number, publicKey: Buffer): VerifierKey {
  if (!isKeyName(name)) throw new RangeError('a key name has no spaces and no plus');
  return { name, id: keyId(name, type, publicKey), type, publicKey };
}

/** `<name>+<hex key id>+<base64(type || public key)>`. */
export function formatVkey(key: VerifierKey): string {
  const bytes = Buffer.concat([Buffer.from([key.type]), key.publicKey]);
  return `${key.name}+${hex8(key.id)}+${bytes.toString('base64')}`;
}

function hex8(id: number): string {
  return id.toString(16).padStart(8, '0');
}

/** Reads a vkey of any type; undefined when it is malformed or its key id is not that of the key. */
export function parseVkey(vkey: string): VerifierKey | undefined {
  // Split on the first two plus signs: base64 has its own.
  const match = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/u.exec(vkey);
  if (match === null) return undefined;
  const bytes = fromBase64(match[3]);
  if (bytes === undefined || bytes.length < 2 || !isKeyName(match[1])) return undefined;
  const type = bytes[0];
  if ((type === KEY_ED25519 || type === KEY_COSIGNATURE_V1) && bytes.length !== 33) return undefined;
  const key = verifierKey(match[1], type, bytes.subarray(1));
  return hex8(key.id) === match[2] ? key : undefined;
}

/** Canonical padded base64 (RFC 4648 section 4); undefined for anything else. */
export function fromBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

const SIGNATURE_LINE = /^— ([^ ]+) ([^ ]+)$/u;

/** Whether a text may be signed: "UTF-8, ends in a newline, no ASCII control characters other than newline". */
function isNoteText(text: string): boolean {
  // eslint-disable-next-line no-control-regex
  return text.endsWith('\n') && !/[\u0000-\u0009\u000b-\u001f]/.test(text) && !/\p{Cs}/u.test(text);
}

/** Reads a note without verifying it; undefined when it is malformed. Bounds: NOTE_MAX_LENGTH, NOTE_MAX_SIGNATURES. */
export function parseNote(note: string): Note | undefined {
  if (note.length > NOTE_MAX_LENGTH || !isNoteText(note)) return undefined;
  // "The text and the signatures are separated by the last empty line".
  const split = note.lastIndexOf('\n\n');
  if (split < 0) return undefined;
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > NOTE_MAX_SIGNATURES) return undefined;
  const signatures: NoteSignature[] = [];
  for (const line of lines) {
    const match = SIGNATURE_LINE.exec(line);
    const bytes = match === null ? undefined : fromBase64(match[2]);
    if (match === null || bytes === undefined || bytes.length < 5 || !isKeyName(match[1])) return undefined;
    signatures.push({ name: match[1], id: bytes.readUInt32BE(0), signature: bytes.subarray(4) });
  }
  return { text: note.slice(0, split + 1), signatures };
}

/** One signature line with its newline. */
export function formatSignatureLine(line: NoteSignature): string {
  const id = Buffer.alloc(4);
  id.writeUInt32BE(line.id);
  return `— ${line.name} ${Buffer.concat([id, line.signature]).toString('base64')}\n`;
}

/** The note as text; `parseNote` reads it back. */
export function formatNote(note: Note): string {
  return `${note.text}\n${note.signatures.map(formatSignatureLine).join('')}`;
}

/** Signs a text (it must end in a newline and hold no other control character; RangeError) with Ed25519, type 0x01. */
export function signNote(text: string, signer: NoteSigner): string {
  if (!isNoteText(text)) throw new RangeError('a note text ends in a newline and has no other control characters');
  const { name, id } = verifierKey(signer.name, KEY_ED25519, signer.rawPublicKey);
  return formatNote({ text, signatures: [{ name, id, signature: sign(null, Buffer.from(text), signer.privateKey) }] });
}

/** The bytes that a signature line of this type signs, and the Ed25519 signature in it; undefined if there are none. */
function signedParts(type: number, text: string, signature: Buffer): { message: Buffer; ed25519: Buffer } | undefined {
  if (type === KEY_ED25519 && signature.length === 64) return { message: Buffer.from(text), ed25519: signature };
  if (type !== KEY_COSIGNATURE_V1 || signature.length !== 72) return undefined;
  const time = signature.readBigUInt64BE(0);
  if (time >= 2n ** 63n) return undefined;
  return { message: Buffer.from(`cosignature/v1\ntime ${time}\n${text}`), ed25519: signature.subarray(8) };
}

/** Parsed keys, for as long as their verifier key is held: importing one costs a third of a verification. */
const publicKeys = new WeakMap<VerifierKey, KeyObject>();

/** The node:crypto key of an Ed25519 verifier key. */
function ed25519PublicKey(key: VerifierKey): KeyObject {
  const known = publicKeys.get(key);
  if (known !== undefined) return known;
  const x = key.publicKey.toString('base64url');
  const made = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  publicKeys.set(key, made);
  return made;
}

/**
 * The keys whose signatures stand in the note and verify. Lines of keys that are not given are ignored; "a known key
 * with a bad signature" rejects the whole note: undefined. So does a note without any verified signature.
 * Keys of types other than Ed25519 and cosignature/v1 count as not given.
 */
export function verifyNote(note: Note, keys: readonly VerifierKey[]): VerifierKey[] | undefined {
  const verified: VerifierKey[] = [];
  const seen = new Set<string>();
  for (const line of note.signatures) {
    const key = keys.find(({ name, id }) => name === line.name && id === line.id);
    if (key === undefined || (key.type !== KEY_ED25519 && key.type !== KEY_COSIGNATURE_V1)) continue;
    // A line that is repeated costs its sender nothing, and here one verification.
    const repeated = `${line.id} ${line.signature.toString('base64')}`;
    if (seen.has(repeated)) continue;
    seen.add(repeated);
    const parts = signedParts(key.type, note.text, line.signature);
    if (parts === undefined) return undefined;
    if (!verify(null, parts.message, ed25519PublicKey(key), parts.ed25519)) return undefined;
    if (!verified.includes(key)) verified.push(key);
  }
  return verified.length > 0 ? verified : undefined;
}
