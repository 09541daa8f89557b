/**
 * The second reader of cosignatures (C2SP tlog-cosignature, Ed25519, type 0x04), for `anamnesis verify-receipt`. It shares no code
 * with `cosignature` and `note`.
 */
import { ed25519KeyId, isEd25519, type NoteKey } from './independent-note.ts';
import type { Ed25519Check } from './signature-check.ts';

export interface Cosigners {
  /** Keys with a line of theirs that verifies. */
  readonly signed: readonly NoteKey[];
  /** Keys with a line in their name and id that does not: such a note is to be rejected as a whole (C2SP signed-note). */
  readonly forged: readonly NoteKey[];
}

/** Which of these keys have signed a note; those of other types than 1 and 4 count as not having signed. */
export function cosignersOf(note: string, keys: readonly NoteKey[], check: Ed25519Check): Cosigners {
  const separator = note.lastIndexOf('\n\n') + 1;
  const text = note.slice(0, separator);
  const lines = note
    .slice(separator + 1)
    .split('\n')
    .map((line) => line.split(' '))
    .map(([, name = '', encoded = '']) => ({ name, bytes: Buffer.from(encoded, 'base64') }));
  const signed: NoteKey[] = [];
  const forged: NoteKey[] = [];
  for (const key of keys.filter(isEd25519)) {
    const id = ed25519KeyId(key.name, key.type, key.publicKey);
    const own = lines.filter(({ name, bytes }) => name === key.name && bytes.toString('hex', 0, 4) === id);
    const good = own.map(({ bytes }) => isSignature(bytes.subarray(4), text, key, check));
    if (good.includes(false)) forged.push(key);
    else if (good.length > 0) signed.push(key);
  }
  return { signed, forged };
}

function isSignature(bytes: Buffer, text: string, { type, publicKey }: NoteKey, check: Ed25519Check): boolean {
  if (type === 1) return check(bytes, Buffer.from(text), publicKey);
  if (bytes.length !== 72) return false;
  const message = `cosignature/v1\ntime ${bytes.readBigUInt64BE(0)}\n${text}`;
  return check(bytes.subarray(8), Buffer.from(message), publicKey);
}
