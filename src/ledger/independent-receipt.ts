/**
 * The checker of receipts (docs/ledger.md), for `anamnesis verify-receipt`: offline, with nothing of the gateway but its public
 * keys, and sharing no code with what makes receipts: no `proof`, `inclusion`, `merkle`, `note`, `checkpoint`.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { cosignersOf } from './independent-cosignature.ts';
import { readCheckpoint, type NoteKey } from './independent-note.ts';
import type { TrustPolicy } from './independent-policy.ts';
import { independentLeafHash, rootFromPath } from './independent-tree.ts';
import { parseContents, type ReceiptContents } from './receipt-contents.ts';
import type { Ed25519Check } from './signature-check.ts';
import { checkDocument } from './verify.ts';

export interface ReceiptTrust {
  /** The log's key, from somewhere else than the gateway in doubt. Undefined: nobody's signature is checked. */
  readonly log: NoteKey | undefined;
  /** Raw Ed25519 keys of which one should have signed the document. Empty: its signature is not checked. */
  readonly sign: readonly Uint8Array[];
  /** Witnesses and mirrors whose cosignatures count, all of them. */
  readonly cosigners: readonly NoteKey[];
  /** Whose signatures count and how many: the logs that are trusted, and the quorum. */
  readonly policy?: TrustPolicy | undefined;
}

export type ReceiptCheckName =
  'form' | 'inclusion' | 'checkpoint' | 'cosignatures' | 'quorum' | 'document' | 'signature' | 'payload';

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
  const checkpoint = readCheckpoint(note, '', Buffer.alloc(32), check);
  if (checkpoint === undefined) return say('form', 'wrong', 'the checkpoint in the receipt cannot be read');
  const { origin, size, root } = checkpoint;
  if (bytes === undefined) {
    say('inclusion', 'open', `the receipt of leaf ${index} does not carry its document: give it with --document`);
  } else {
    const derived = rootFromPath(index, size, independentLeafHash(sha256(bytes)), hashes);
    const leads = derived !== undefined && root.equals(derived);
    const path = `from the document at leaf ${index} to the root of ${size} leaves`;
    say('inclusion', leads ? 'ok' : 'wrong', `${hashes.length} hashes ${leads ? 'lead' : 'do not lead'} ${path}`);
  }
  checkSigner(note, origin, trust, check, say);
  if (trust.cosigners.length > 0) checkCosigners(note, trust.cosigners, check, say);
  if (trust.policy !== undefined) checkQuorum(note, trust.policy, check, say);
}

/** The log's own signature, by the key that was given, or by one of the policy's for this origin. */
function checkSigner(note: string, origin: string, trust: ReceiptTrust, check: Ed25519Check, say: Say): void {
  const { log, policy } = trust;
  if (log === undefined && policy === undefined) {
    return say('checkpoint', 'open', `who signed for ${origin} is not checked: give the log's vkey`);
  }
  if (log !== undefined && origin !== log.name) {
    return say('checkpoint', 'wrong', `the checkpoint is of ${origin}, not of ${log.name}`);
  }
  const keys = log === undefined ? (policy?.logs ?? []).filter(({ name }) => name === origin) : [log];
  if (keys.length === 0) return say('checkpoint', 'wrong', `${origin} is not a log of the policy`);
  const signed = keys.some(
    ({ type, name, publicKey }) => type === 1 && readCheckpoint(note, name, publicKey, check)?.signed === true,
  );
  say('checkpoint', signed ? 'ok' : 'wrong', signed ? `signed by ${origin}` : `not signed by the key of ${origin}`);
}

function checkCosigners(note: string, keys: readonly NoteKey[], check: Ed25519Check, say: Say): void {
  const { signed, forged } = cosignersOf(note, keys, check);
  const names = signed.map(({ name }) => name).join(', ');
  const right = signed.length === keys.length;
  const outcome = right ? 'ok' : signed.length === 0 || forged.length > 0 ? 'wrong' : 'open';
  const count = `${signed.length} of ${keys.length}`;
  say('cosignatures', outcome, `cosigned by ${count}${names === '' ? '' : `: ${names}`}`);
}

function checkQuorum(note: string, policy: TrustPolicy, check: Ed25519Check, say: Say): void {
  const named = [...policy.cosigners];
  const { signed, forged } = cosignersOf(
    note,
    named.map(([, key]) => key),
    check,
  );
  if (forged.length > 0) return say('quorum', 'wrong', `a line of ${forged[0].name} is not its signature`);
  const names = named.filter(([, key]) => signed.includes(key)).map(([name]) => name);
  const met = policy.isMet(new Set(names));
  const by = names.length === 0 ? 'cosigned by nobody' : `cosigned by ${names.join(', ')}`;
  const rule = policy.quorum === 'none' ? 'the policy asks for nobody' : `the quorum \`${policy.quorum}\` is`;
  say('quorum', met ? 'ok' : 'open', `${by}: ${rule}${policy.quorum === 'none' ? '' : met ? ' met' : ' not met'}`);
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
