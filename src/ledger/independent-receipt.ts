/**
 * The checker of receipts (docs/ledger.md), for `anamnesis verify-receipt`: offline, with nothing of the gateway but its public
 * keys, and sharing no code with what makes receipts: no `proof`, `inclusion`, `merkle`, `note`, `checkpoint`.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { ed25519KeyId, readCheckpoint } from './independent-note.ts';
import { independentLeafHash, rootFromPath } from './independent-tree.ts';
import { parseContents, type ReceiptContents } from './receipt-contents.ts';
import type { Ed25519Check } from './signature-check.ts';
import { checkDocument } from './verify.ts';

/** A key that signs notes, as a vkey says it. Type 1: Ed25519; type 4: cosignature/v1. */
export interface NoteKey {
  readonly name: string;
  readonly type: number;
  /** 32 bytes. */
  readonly publicKey: Buffer;
}

export interface ReceiptTrust {
  /** The log's key, from somewhere else than the gateway in doubt. Undefined: nobody's signature is checked. */
  readonly log: NoteKey | undefined;
  /** Raw Ed25519 keys of which one should have signed the document. Empty: its signature is not checked. */
  readonly sign: readonly Uint8Array[];
  /** Witnesses and mirrors whose cosignatures count. */
  readonly cosigners: readonly NoteKey[];
}

export type ReceiptCheckName =
  'form' | 'inclusion' | 'checkpoint' | 'cosignatures' | 'document' | 'signature' | 'payload';

export interface ReceiptCheck {
  readonly check: ReceiptCheckName;
  /** `open`: not shown to be right, for want of something that was not given. */
  readonly outcome: 'ok' | 'wrong' | 'open';
  readonly detail: string;
}

export interface ReceiptReport {
  readonly checks: readonly ReceiptCheck[];
  /** Contents, where the receipt carries some and they can be read. */
  readonly contents: ReceiptContents | undefined;
}

/** Reads `<name>+<8 hex digits>+<base64>` with an Ed25519 key of type 1 or 4; undefined for anything else. */
export function readNoteKey(vkey: string): NoteKey | undefined {
  const [name, id, ...rest] = vkey.trim().split('+');
  const bytes = Buffer.from(rest.join('+'), 'base64');
  if (name === '' || /\s/.test(name) || bytes.length !== 33 || bytes.toString('base64') !== rest.join('+'))
    return undefined;
  const key = { name, type: bytes[0], publicKey: bytes.subarray(1) };
  const known = key.type === 1 || key.type === 4;
  return known && ed25519KeyId(name, key.type, key.publicKey) === id ? key : undefined;
}

interface Parts {
  readonly extra: Buffer | undefined;
  readonly index: number;
  readonly hashes: readonly Buffer[];
  readonly checkpoint: string;
}

/** The lines of a tlog-proof; undefined when they are not as the specification says. */
function readParts(text: string): Parts | undefined {
  const at = text.indexOf('\n\n');
  const lines = text.slice(0, Math.max(0, at)).split('\n');
  if (at < 0 || lines[0] !== 'c2sp.org/tlog-proof@v1') return undefined;
  const hasExtra = lines[1]?.startsWith('extra ') === true;
  const extra = hasExtra ? canonicalBase64(lines[1].slice(6)) : undefined;
  const index = /^index (\d{1,16})$/.exec(lines[hasExtra ? 2 : 1] ?? '')?.[1];
  const hashes = lines.slice(hasExtra ? 3 : 2).map(canonicalBase64);
  if (index === undefined || String(Number(index)) !== index || (hasExtra && extra === undefined)) return undefined;
  const whole = hashes.filter((hash) => hash?.length === 32);
  if (whole.length !== hashes.length || hashes.length > 63) return undefined;
  return {
    extra,
    index: Number(index),
    hashes: whole.filter((hash) => hash !== undefined),
    checkpoint: text.slice(at + 2),
  };
}

function canonicalBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

/**
 * Checks everything that the receipt and the given keys allow, and says of each thing how it stands. `document`: the bytes
 * that the leaf should stand for, where the receipt does not carry them. Never throws.
 */
export function checkReceiptText(
  text: string,
  trust: ReceiptTrust,
  check: Ed25519Check,
  document?: Uint8Array,
): ReceiptReport {
  const checks: ReceiptCheck[] = [];
  const say = (name: ReceiptCheckName, outcome: ReceiptCheck['outcome'], detail: string): void =>
    void checks.push({ check: name, outcome, detail });
  const parts = readParts(text);
  const contents = parts?.extra === undefined ? undefined : parseContents(parts.extra);
  if (parts === undefined || (parts.extra !== undefined && contents === undefined)) {
    say('form', 'wrong', 'this is not a receipt of version 1');
    return { checks, contents: undefined };
  }
  const carried = contents === undefined ? undefined : Buffer.from(contents.document, 'latin1');
  if (carried !== undefined && document !== undefined && !carried.equals(document)) {
    say('document', 'wrong', 'the receipt is for another document than the one given');
  }
  const bytes = carried ?? (document === undefined ? undefined : Buffer.from(document));
  checkTree(parts, bytes, trust, check, say);
  if (bytes !== undefined) checkContents(bytes, contents, trust, check, say);
  return { checks, contents };
}

type Say = (name: ReceiptCheckName, outcome: ReceiptCheck['outcome'], detail: string) => void;

function checkTree(parts: Parts, bytes: Buffer | undefined, trust: ReceiptTrust, check: Ed25519Check, say: Say): void {
  const { index, hashes, checkpoint: note } = parts;
  const nobody = { name: '', publicKey: Buffer.alloc(32) };
  const log = trust.log?.type === 1 ? trust.log : undefined;
  const checkpoint = readCheckpoint(note, (log ?? nobody).name, (log ?? nobody).publicKey, check);
  if (checkpoint === undefined) return say('form', 'wrong', 'the checkpoint in the receipt cannot be read');
  const { origin, size, root, signed } = checkpoint;
  if (bytes === undefined) {
    say('inclusion', 'open', `the receipt of leaf ${index} does not carry its document: give it with --document`);
  } else {
    const derived = rootFromPath(index, size, independentLeafHash(sha256(bytes)), hashes);
    const leads = derived !== undefined && root.equals(derived);
    const path = `from the document at leaf ${index} to the root of ${size} leaves`;
    say('inclusion', leads ? 'ok' : 'wrong', `${hashes.length} hashes ${leads ? 'lead' : 'do not lead'} ${path}`);
  }
  if (log === undefined) say('checkpoint', 'open', `who signed for ${origin} is not checked: give the log's vkey`);
  else if (origin !== log.name) say('checkpoint', 'wrong', `the checkpoint is of ${origin}, not of ${log.name}`);
  else
    say('checkpoint', signed ? 'ok' : 'wrong', signed ? `signed by ${origin}` : `not signed by the key of ${origin}`);
  const cosigned = trust.cosigners.filter((key) => isCosigned(note, key, check));
  if (trust.cosigners.length > 0) {
    const names = cosigned.map(({ name }) => name).join(', ');
    const outcome = cosigned.length === trust.cosigners.length ? 'ok' : cosigned.length === 0 ? 'wrong' : 'open';
    const count = `${cosigned.length} of ${trust.cosigners.length}`;
    say('cosignatures', outcome, `cosigned by ${count}${names === '' ? '' : `: ${names}`}`);
  }
}

/** True when a line of this key stands in the note and verifies (C2SP signed-note; type 4: tlog-cosignature). */
function isCosigned(note: string, key: NoteKey, check: Ed25519Check): boolean {
  const separator = note.lastIndexOf('\n\n') + 1;
  const text = note.slice(0, separator);
  const id = ed25519KeyId(key.name, key.type, key.publicKey);
  return note
    .slice(separator + 1)
    .split('\n')
    .some((line) => {
      const [, name, encoded = ''] = line.split(' ');
      const bytes = Buffer.from(encoded, 'base64');
      if (name !== key.name || bytes.toString('hex', 0, 4) !== id) return false;
      if (key.type === 1) return check(bytes.subarray(4), Buffer.from(text), key.publicKey);
      if (bytes.length !== 76) return false;
      const time = bytes.readBigUInt64BE(4);
      return check(bytes.subarray(12), Buffer.from(`cosignature/v1\ntime ${time}\n${text}`), key.publicKey);
    });
}

function checkContents(
  bytes: Buffer,
  contents: ReceiptContents | undefined,
  trust: ReceiptTrust,
  check: Ed25519Check,
  say: Say,
): void {
  const outcomes = (trust.sign.length === 0 ? [new Uint8Array(32)] : trust.sign).map((sign) =>
    checkDocument(bytes, { origin: '', log: new Uint8Array(32), sign }, check),
  );
  const best = outcomes.find(({ fault }) => fault === undefined) ?? outcomes[0];
  if (best.fault === 'document-malformed') return say('document', 'wrong', 'it is not a document of version 1');
  say('document', 'ok', `names ${best.payloads.length} payloads`);
  if (trust.sign.length === 0) say('signature', 'open', 'who signed the document is not checked: give the sign key');
  else if (best.fault === undefined) say('signature', 'ok', 'the document is signed by the gateway');
  else say('signature', 'wrong', 'the document is not signed by the sign key that was given');
  if (contents?.payload === undefined) return;
  const { payload, sealed, line } = contents;
  const place = `payload ${payload}${line === undefined ? '' : `, line ${line}`}`;
  const named = best.payloads[payload];
  if (named === undefined) return say('payload', 'wrong', `the document names no payload ${payload}`);
  if (sealed === undefined) {
    return say('payload', 'ok', `${place}: SHA-256 ${named.digest.toString('hex')}, ${named.size} bytes`);
  }
  const matches = sealed.length === named.size && named.digest.equals(sha256(Buffer.from(sealed, 'latin1')));
  say('payload', matches ? 'ok' : 'wrong', `${place}: the ciphertext ${matches ? 'is' : 'is not'} the one named`);
}
