/**
 * KeyProvider in a file: JSON, mode 0600, in plain or encrypted by AES-256-GCM under Argon2id of a passphrase (RFC 9106)
 * with the parameters in the file, authenticated with it. Written aside, synced, then linked into place, so that a crash
 * leaves no half a key file and two processes never make two.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { constants } from 'node:fs';
import { link, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { argon2idAsync } from '@noble/hashes/argon2.js';
import { fromBase64url, toBase64url } from '../core/bytes.ts';
import { GatewayError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import { decodeKeySet, encodeKeySet, generateKeySet } from '../keys/key-set-codec.ts';
import type { KeyProvider, LoadedKeySet } from '../keys/key-provider.ts';
import type { KeySet } from '../keys/key-set.ts';
import { ensureDataDir } from './data-dir.ts';
import { locked } from './file-lock.ts';

/** Cost of one guess (RFC 9106 section 4). `memory` in KiB. */
export interface Argon2Cost {
  readonly memory: number;
  readonly passes: number;
  readonly lanes: number;
}

export interface KeyFileSettings {
  /** Absolute path; its folder is made when missing. */
  readonly path: string;
  /** Absolute path of the file whose first line is the passphrase. Absent: the file is in plain. */
  readonly passphraseFile?: string;
  readonly random: Random;
  /** For files that this provider writes; those it reads say their own. */
  readonly cost?: Argon2Cost;
}

/** About half a second of one core in JavaScript, once at start. */
const DEFAULT_COST: Argon2Cost = { memory: 48 * 1024, passes: 2, lanes: 1 };
/** Beyond this a damaged or planted file would take all memory. */
const MOST = { memory: 1024 * 1024, passes: 20, lanes: 16 };
const FORMAT = 'anamnesis-key-file/1';
const PASSPHRASE_MIN = 12;

export function fileKeyProvider(settings: KeyFileSettings): KeyProvider {
  return {
    async load({ create, encrypt = create }) {
      const passphrase = await readPassphrase(settings.passphraseFile);
      const found = await read(settings.path, passphrase);
      if (found !== undefined) {
        if (passphrase === undefined || found.protected || !encrypt) return found;
        // A passphrase was set after the file was made: encrypt it now, in one atomic step.
        await write(settings, await seal(found.keySet, passphrase, settings), 'replace');
        return { ...found, protected: true };
      }
      if (!create)
        throw new GatewayError(
          'not-found',
          `there is no key file at ${settings.path}: set KEY_FILE, or DATA_DIR, to where it is. A lost one comes back with \`anamnesis keys recover\`; a new gateway makes one at its first start`,
        );
      ensureDataDir(dirname(settings.path));
      const text = await seal(generateKeySet(settings.random), passphrase, settings);
      const created = await write(settings, text, 'create');
      const written = await read(settings.path, passphrase);
      if (written === undefined)
        throw new GatewayError('unavailable', `the key file at ${settings.path} vanished while it was made`);
      return { ...written, created };
    },
    async save(keySet, how) {
      const text = await seal(keySet, await readPassphrase(settings.passphraseFile), settings);
      ensureDataDir(dirname(settings.path));
      if (await locked(settings.path, () => write(settings, text, how))) return;
      throw new GatewayError('conflict', `there is a key file at ${settings.path}: nothing was changed`);
    },
    update: (edit) =>
      locked(settings.path, async () => {
        const passphrase = await readPassphrase(settings.passphraseFile);
        const found = await read(settings.path, passphrase);
        if (found === undefined) throw new GatewayError('not-found', `there is no key file at ${settings.path}`);
        const edited = edit(found.keySet);
        if (edited !== found.keySet) await write(settings, await seal(edited, passphrase, settings), 'replace');
        return edited;
      }),
  };
}

async function readPassphrase(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    const line = (await readFile(path, 'utf8')).split(/\r?\n/, 1)[0];
    if (line.length >= PASSPHRASE_MIN) return line;
  } catch (cause) {
    throw new GatewayError('forbidden', 'the file of KEY_PASSPHRASE_FILE cannot be read', { cause });
  }
  throw new GatewayError(
    'forbidden',
    `the first line of KEY_PASSPHRASE_FILE must have at least ${PASSPHRASE_MIN} characters`,
  );
}

async function read(path: string, passphrase: string | undefined): Promise<LoadedKeySet | undefined> {
  let text: string;
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0)
      throw new GatewayError(
        'forbidden',
        `the key file ${path} is open to others: chmod 600 it, and consider its keys known`,
      );
    text = await readFile(path, 'utf8');
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined;
    if (thrown instanceof GatewayError) throw thrown;
    throw new GatewayError('forbidden', `the key file ${path} cannot be read by this account`, { cause: thrown });
  }
  const envelope = parseEnvelope(text, path);
  if (envelope.protection === 'none') return { keySet: decodeKeySet(envelope.text), created: false, protected: false };
  if (passphrase === undefined)
    throw new GatewayError('forbidden', `the key file ${path} is encrypted: set KEY_PASSPHRASE_FILE`);
  return { keySet: decodeKeySet(await decrypt(envelope, passphrase, path)), created: false, protected: true };
}

interface Encrypted {
  readonly protection: 'argon2id+aes-256-gcm';
  readonly salt: Buffer;
  readonly cost: Argon2Cost;
  readonly iv: Buffer;
  /** Ciphertext and 16-byte tag. */
  readonly sealed: Buffer;
}

function parseEnvelope(text: string, path: string): Encrypted | { readonly protection: 'none'; readonly text: string } {
  const damaged = new GatewayError(
    'integrity',
    `${path} is not a key file, or it is damaged: restore it from its copy`,
  );
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch {
    throw damaged;
  }
  if (typeof file !== 'object' || file === null) throw damaged;
  const fields: ReadonlyMap<string, unknown> = new Map(Object.entries(file));
  const number = (name: keyof typeof MOST): number => {
    const value = fields.get(name);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1 || value > MOST[name]) throw damaged;
    return value;
  };
  const bytes = (name: string, least: number): Buffer => {
    const value = fields.get(name);
    const decoded = typeof value === 'string' ? fromBase64url(value) : undefined;
    if (decoded === undefined || decoded.length < least) throw damaged;
    return decoded;
  };
  if (fields.get('format') !== FORMAT) throw damaged;
  const protection = fields.get('protection');
  if (protection === 'none') return { protection, text: JSON.stringify(fields.get('keySet')) };
  if (protection !== 'argon2id+aes-256-gcm') throw damaged;
  const cost = { memory: number('memory'), passes: number('passes'), lanes: number('lanes') };
  return { protection, salt: bytes('salt', 16), cost, iv: bytes('iv', 12), sealed: bytes('sealed', 17) };
}

/** What the ciphertext is bound to: nobody can lower the cost or swap the salt unnoticed. */
function additionalData(salt: Buffer, { memory, passes, lanes }: Argon2Cost): Buffer {
  return Buffer.from(JSON.stringify([FORMAT, toBase64url(salt), memory, passes, lanes]));
}

async function deriveKey(passphrase: string, salt: Buffer, { memory, passes, lanes }: Argon2Cost): Promise<Uint8Array> {
  return argon2idAsync(passphrase.normalize('NFKC'), salt, {
    m: memory,
    t: passes,
    p: lanes,
    dkLen: 32,
    maxmem: 2 ** 32 - 1,
  });
}

async function seal(keySet: KeySet, passphrase: string | undefined, settings: KeyFileSettings): Promise<string> {
  const plain = encodeKeySet(keySet);
  if (passphrase === undefined) {
    const content: unknown = JSON.parse(plain);
    return JSON.stringify({ format: FORMAT, protection: 'none', keySet: content }, null, 1);
  }
  const cost = settings.cost ?? DEFAULT_COST;
  const salt = settings.random.bytes(16);
  const iv = settings.random.bytes(12);
  const cipher = createCipheriv('aes-256-gcm', await deriveKey(passphrase, salt, cost), iv).setAAD(
    additionalData(salt, cost),
  );
  const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  const parts = { salt: toBase64url(salt), iv: toBase64url(iv), sealed: toBase64url(sealed) };
  return JSON.stringify({ format: FORMAT, protection: 'argon2id+aes-256-gcm', ...cost, ...parts }, null, 1);
}

async function decrypt({ salt, cost, iv, sealed }: Encrypted, passphrase: string, path: string): Promise<string> {
  const key = await deriveKey(passphrase, salt, cost);
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, iv)
      .setAAD(additionalData(salt, cost))
      .setAuthTag(sealed.subarray(-16));
    return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]).toString('utf8');
  } catch (cause) {
    throw new GatewayError('forbidden', `the passphrase does not open the key file ${path}, or the file was changed`, {
      cause,
    });
  }
}

/** Durable on return. With `create` an existing file stays, and the answer is false. */
async function write({ path, random }: KeyFileSettings, text: string, how: 'create' | 'replace'): Promise<boolean> {
  const fresh = `${path}.${toBase64url(random.bytes(6))}`;
  try {
    const file = await open(fresh, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600);
    try {
      await file.writeFile(`${text}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    if (how === 'replace') await rename(fresh, path);
    else await link(fresh, path);
    const folder = await open(dirname(path), constants.O_RDONLY);
    await folder.sync().finally(() => folder.close());
    return true;
  } catch (thrown) {
    if (how === 'create' && thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST') return false;
    throw new GatewayError('unavailable', `the key file ${path} cannot be written`, { cause: thrown });
  } finally {
    await rm(fresh, { force: true });
  }
}
