/**
 * Recovery kit: the whole key set, sealed under a fresh key that is split into shares (Shamir's scheme over GF(2^8), by
 * shamir-secret-sharing, audited), so that any k of n holders can make the key file again and k - 1 know nothing. Each share file
 * carries the sealed key set as well: k files are all that is needed.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { combine, split } from 'shamir-secret-sharing';
import { fromBase64url, toBase64url } from '../core/bytes.ts';
import { GatewayError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import { decodeKeySet, encodeKeySet } from './key-set-codec.ts';
import type { KeySet } from './key-set.ts';

const FORMAT = 'anamnesis-recovery-share/1';
/** What the library takes. */
const MOST_SHARES = 255;

export interface KitSettings {
  /** Name of the gateway, for the holders. */
  readonly origin: string;
  readonly shares: number;
  readonly threshold: number;
  /** ISO 8601, for the holders. */
  readonly madeAt: string;
}

/** The texts of the share files, in order. Throws `invalid-content` for shares and threshold that do not fit. */
export async function makeRecoveryKit(
  keySet: KeySet,
  settings: KitSettings,
  random: Random,
): Promise<readonly string[]> {
  const { origin, shares, threshold, madeAt } = settings;
  const whole = Number.isInteger(shares) && Number.isInteger(threshold);
  if (!whole || threshold < 2 || shares < threshold || shares > MOST_SHARES) {
    throw new GatewayError('invalid-content', `a kit has 2 to ${MOST_SHARES} shares, and needs at least 2 of them`);
  }
  const key = random.bytes(32);
  const iv = random.bytes(12);
  const head = {
    format: FORMAT,
    origin,
    fingerprint: keySet.fingerprint,
    madeAt,
    shares,
    threshold,
    iv: toBase64url(iv),
  };
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(JSON.stringify(head)));
  const sealed = Buffer.concat([cipher.update(encodeKeySet(keySet), 'utf8'), cipher.final(), cipher.getAuthTag()]);
  // The library takes exactly Uint8Array, which a Buffer is not.
  const plain = new Uint8Array(key);
  const parts = await split(plain, shares, threshold);
  key.fill(0);
  plain.fill(0);
  return parts.map((part, at) => {
    const share = toBase64url(part);
    return `${JSON.stringify({ ...head, sealed: toBase64url(sealed), number: at + 1, share }, null, 1)}\n`;
  });
}

interface Share {
  /** What all shares of a kit have in common, as it was authenticated. */
  readonly head: string;
  readonly iv: Buffer;
  readonly sealed: Buffer;
  readonly threshold: number;
  readonly part: Buffer;
}

function parseShare(text: string): Share | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const fields: ReadonlyMap<string, unknown> = new Map(Object.entries(value));
  const bytes = (name: string): Buffer | undefined => {
    const field = fields.get(name);
    return typeof field === 'string' ? fromBase64url(field) : undefined;
  };
  const [iv, sealed, part] = [bytes('iv'), bytes('sealed'), bytes('share')];
  const threshold = fields.get('threshold');
  const names = ['format', 'origin', 'fingerprint', 'madeAt', 'shares', 'threshold', 'iv'];
  const head = JSON.stringify(Object.fromEntries(names.map((name) => [name, fields.get(name)])));
  if (fields.get('format') !== FORMAT || typeof threshold !== 'number' || iv?.length !== 12) return undefined;
  if (sealed === undefined || sealed.length < 17 || part?.length !== 33) return undefined;
  return { head, iv, sealed, threshold, part };
}

/** The key set from the texts of share files. Throws `integrity`; says how many are missing, and nothing of what is in them. */
export async function recoverKeySet(texts: readonly string[]): Promise<KeySet> {
  const shares = texts.map(parseShare);
  const bad = shares.findIndex((share) => share === undefined);
  if (bad >= 0) throw new GatewayError('integrity', `file ${bad + 1} is not a recovery share`);
  const known = shares.filter((share) => share !== undefined);
  const [first] = known;
  if (first === undefined || known.some(({ head, sealed }) => head !== first.head || !sealed.equals(first.sealed))) {
    throw new GatewayError('integrity', 'the shares are not of one kit: look at fingerprint and madeAt in them');
  }
  const parts = new Map(known.map(({ part }) => [part.toString('hex'), part]));
  if (parts.size < first.threshold) {
    throw new GatewayError('integrity', `the kit needs ${first.threshold} different shares; there are ${parts.size}`);
  }
  try {
    const key = Buffer.from(await combine([...parts.values()].map((part) => new Uint8Array(part))));
    const decipher = createDecipheriv('aes-256-gcm', key, first.iv)
      .setAAD(Buffer.from(first.head))
      .setAuthTag(first.sealed.subarray(-16));
    const text = Buffer.concat([decipher.update(first.sealed.subarray(0, -16)), decipher.final()]).toString('utf8');
    key.fill(0);
    return decodeKeySet(text);
  } catch {
    throw new GatewayError('integrity', 'the shares do not fit together: one of them was changed');
  }
}
