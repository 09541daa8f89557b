/**
 * Checks a receipt of a log the way a stranger would: from what the log publishes (`/ledger`), with nothing of the gateway's
 * but its verifier key.
 */
import { GatewayError } from '../core/errors.ts';
import { parseVkey } from '../ledger/note.ts';
import { parseProof, verifyProof } from '../ledger/proof.ts';
import { parseCheckpoint } from '../ledger/checkpoint.ts';

const DEADLINE_MS = 30_000;
/** Entries of a full bundle (C2SP tlog-tiles). */
const BUNDLE = 256;
/** Bytes of one of our entries in a bundle: u16 length and 33 bytes. */
const ENTRY_BYTES = 35;

export interface CheckedReceipt {
  readonly valid: boolean;
  /** Leaves that the signed checkpoint of the receipt covers. */
  readonly size: number;
  /** Hashes of the inclusion proof. */
  readonly hashes: number;
  readonly origin: string;
}

async function fetchBytes(url: string): Promise<Buffer> {
  const response = await fetch(url, { signal: AbortSignal.timeout(DEADLINE_MS) });
  if (!response.ok) throw new GatewayError('unavailable', `the ledger answered ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}

/** `http` is the gateway's base URL. Throws `unavailable` when the ledger does not answer, `integrity` when it publishes nonsense. */
export async function checkReceipt(http: string, leaf: number): Promise<CheckedReceipt> {
  const ledger = `${http}/ledger`;
  const key = parseVkey((await fetchBytes(`${ledger}/vkey`)).toString('utf8').trim());
  const text = (await fetchBytes(`${ledger}/receipt/${leaf}`)).toString('utf8');
  const proof = parseProof(text);
  const checkpoint = proof === undefined ? undefined : parseCheckpoint(proof.checkpoint)?.checkpoint;
  if (key === undefined || proof === undefined || checkpoint === undefined) {
    throw new GatewayError('integrity', 'the ledger published a key or receipt that cannot be read');
  }
  const entry = await fetchEntry(ledger, leaf, checkpoint.size);
  const { valid } = verifyProof(text, entry, key);
  return { valid, size: checkpoint.size, hashes: proof.hashes.length, origin: checkpoint.origin };
}

/** The entry from the bundle that holds it, partial where the log has not filled it. */
async function fetchEntry(ledger: string, leaf: number, size: number): Promise<Buffer> {
  const bundle = Math.floor(leaf / BUNDLE);
  const width = Math.min(BUNDLE, size - bundle * BUNDLE);
  // Groups of three digits, all but the last marked with x (C2SP tlog-tiles).
  const digits =
    String(bundle)
      .padStart(Math.ceil(String(bundle).length / 3) * 3, '0')
      .match(/\d{3}/g) ?? [];
  const path = digits.map((group, i) => (i === digits.length - 1 ? group : `x${group}`)).join('/');
  const bytes = await fetchBytes(`${ledger}/tile/entries/${path}${width === BUNDLE ? '' : `.p/${width}`}`);
  const at = (leaf % BUNDLE) * ENTRY_BYTES;
  return bytes.subarray(at + 2, at + ENTRY_BYTES);
}
