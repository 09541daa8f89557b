/**
 * Seals the content of one document into the blob store, from the base64 in which it came: decoded, hashed and sealed in
 * pieces, with the event loop in between, so that a large one delays nobody and is held once.
 */
import { createHash } from 'node:crypto';
import { nextTurn } from '../core/next-turn.ts';
import type { Random } from '../core/random.ts';
import { BLOB_KEY_BYTES, createBlobSealer } from '../record/blob.ts';
import type { BlobStore } from '../record/blob-store.ts';
import type { SealedContent } from './binary-content.ts';

/** Characters decoded at a time, a multiple of 4: some 0.5 ms of work. */
const PIECE_CHARACTERS = 262_144;

export interface SealDocumentDeps {
  readonly blobs: Pick<BlobStore, 'put'>;
  readonly random: Random;
}

export interface SealedDocument {
  /** The caller wipes `blob.key` when the record that keeps it is committed. */
  readonly content: SealedContent;
  /** SHA-1 of the bytes, base64, as `Attachment.hash` wants it (R4). */
  readonly sha1: string;
  /** SHA-256 of the bytes. In memory only: hashes of small documents could be guessed, the alias table keeps its keyed digest. */
  readonly sha256: Buffer;
}

/** The blob is durable on return. `base64` may hold white space. Throws `storage-full` and `unavailable`; nothing remains then. */
export async function sealDocument(deps: SealDocumentDeps, base64: string): Promise<SealedDocument> {
  const key = deps.random.bytes(BLOB_KEY_BYTES);
  const sealer = createBlobSealer(key);
  const sha1 = createHash('sha1');
  const sha256 = createHash('sha256');

  async function* ciphertext(): AsyncGenerator<Buffer, void, undefined> {
    for (const piece of decoded(base64)) {
      sha1.update(piece);
      sha256.update(piece);
      yield* sealer.update(piece);
      await nextTurn();
    }
    yield* sealer.final();
  }

  try {
    await deps.blobs.put(ciphertext(), () => sealer.summary().digest);
  } catch (error) {
    key.fill(0);
    throw error;
  }
  const { digest, size, plaintextSize } = sealer.summary();
  return {
    content: { size: plaintextSize, blob: { digest, size, key } },
    sha1: sha1.digest('base64'),
    sha256: sha256.digest(),
  };
}

/** The bytes of base64 text, in pieces. */
function* decoded(base64: string): Generator<Buffer, void, undefined> {
  let rest = '';
  for (let at = 0; at < base64.length; at += PIECE_CHARACTERS) {
    const text = rest + base64.slice(at, at + PIECE_CHARACTERS).replaceAll(/\s+/g, '');
    const whole = text.length - (text.length % 4);
    rest = text.slice(whole);
    yield Buffer.from(text.slice(0, whole), 'base64');
  }
  // Without padding (R4 wants it) the last characters stand alone.
  if (rest !== '') yield Buffer.from(rest, 'base64');
}
