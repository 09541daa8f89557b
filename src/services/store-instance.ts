/**
 * Stores one DICOM object, from DIMSE or any other protocol: seals it into the blob store while it arrives, reads its
 * header on the way, then submits the instance document. Order of effects: blob durable, then the submission; a crash
 * between them leaves an orphan blob, which is swept. What is stored is a complete Part 10 file whose data set has the bytes received.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import type { LeafIndex } from '../core/ids.ts';
import { DICOM_HEADER_BYTES } from '../core/limits.ts';
import type { Random } from '../core/random.ts';
import { readHeader, type DicomHeader, type HeaderFault } from '../formats/dicom/header.ts';
import { encodeFileMeta } from '../formats/dicom/part10.ts';
import { encodeInstance, instanceDocument, instancePatientKey, studyThread } from '../normalize/dicom/instance.ts';
import { sourceName, type DicomSource } from '../normalize/dicom/source.ts';
import { BLOB_KEY_BYTES, createBlobSealer } from '../record/blob.ts';
import type { BlobStore } from '../record/blob-store.ts';
import type { Accepted, Writer } from '../write/submission.ts';
import { IN_DOUBT, removeUnnamed, type UnnamedBlobDeps } from './unnamed-blob.ts';

export interface StoreInstanceDeps extends UnnamedBlobDeps {
  readonly blobs: BlobStore;
  readonly writer: Writer;
  readonly random: Random;
  readonly clock: Clock;
  readonly source: DicomSource;
}

export interface IncomingInstance {
  /** As the sender's command says; the data set must say the same. */
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly transferSyntaxUid: string;
  /** The data set as received. When it throws, nothing is kept and the error is passed on. Pieces must not be reused. */
  readonly dataSet: AsyncIterable<Buffer>;
}

export interface StoredInstance {
  /** Leaf that anchors the object: durable. */
  readonly leaf: LeafIndex;
  /** True when the same object was here before; nothing was changed. */
  readonly replayed: boolean;
  readonly studyInstanceUid: string;
  /** Bytes of the data set. */
  readonly size: number;
}

/**
 * Why an object is not taken for good: the DIMSE status A900 (`does-not-match`) or C000 (`cannot-understand`).
 * `expression` is a tag, `text` at most 64 characters.
 */
export interface RefusedInstance {
  readonly refused: 'does-not-match' | 'cannot-understand';
  readonly expression: string | undefined;
  readonly text: string;
}

/** Carries a refusal out of the stream, so that the store keeps nothing. */
class Refusal extends Error {
  readonly refusal: RefusedInstance;
  constructor(refusal: RefusedInstance) {
    super(refusal.text);
    this.refusal = refusal;
  }
}

const FAULT_TEXT: Readonly<Record<HeaderFault['fault'], string>> = {
  unreadable: 'the data set cannot be read in its transfer syntax',
  truncated: 'the data set ends inside its pixel data',
  missing: 'a required attribute is missing or not a UID',
};

function checked(header: DicomHeader | HeaderFault, instance: IncomingInstance): DicomHeader {
  if ('fault' in header) {
    throw new Refusal({ refused: 'cannot-understand', expression: header.expression, text: FAULT_TEXT[header.fault] });
  }
  const differs = (expression: string): Refusal =>
    new Refusal({ refused: 'does-not-match', expression, text: 'the data set names another SOP class or instance' });
  if (header.sopClassUid !== instance.sopClassUid) throw differs('(0008,0016)');
  if (header.sopInstanceUid !== instance.sopInstanceUid) throw differs('(0008,0018)');
  return header;
}

/**
 * Durable and anchored on return. The same object again is `replayed`; another object under a known SOP Instance UID
 * throws `conflict`. Throws `storage-full`, `unavailable`, `busy` for what a retry can cure; a refusal is returned.
 */
export async function storeInstance(
  deps: StoreInstanceDeps,
  instance: IncomingInstance,
): Promise<StoredInstance | RefusedInstance> {
  const key = deps.random.bytes(BLOB_KEY_BYTES);
  const sealer = createBlobSealer(key);
  // Only in memory, and kept by the writer only as a keyed digest: plain hashes of small objects could be guessed.
  const content = createHash('sha256').update(instance.transferSyntaxUid).update('\0');
  const fileMeta = encodeFileMeta({
    mediaStorageSopClassUid: instance.sopClassUid,
    mediaStorageSopInstanceUid: instance.sopInstanceUid,
    transferSyntaxUid: instance.transferSyntaxUid,
  });
  const start: Buffer[] = [];
  let startSize = 0;
  let size = 0;
  let header: DicomHeader | undefined;

  async function* ciphertext(): AsyncGenerator<Buffer, void, undefined> {
    yield* sealer.update(fileMeta);
    for await (const piece of instance.dataSet) {
      if (startSize < DICOM_HEADER_BYTES) {
        // Copied: a small view would keep the whole received buffer.
        const kept = Buffer.from(piece.subarray(0, DICOM_HEADER_BYTES - startSize));
        start.push(kept);
        startSize += kept.length;
      }
      size += piece.length;
      content.update(piece);
      yield* sealer.update(piece);
    }
    const read = await readHeader(
      {
        bytes: Buffer.concat(start.splice(0)),
        transferSyntaxUid: instance.transferSyntaxUid,
        dataSetSize: size,
        fallbackCharacterSet: deps.source.fallbackCharacterSet,
      },
      DICOM_HEADER_BYTES,
    );
    header = checked(read, instance);
    yield* sealer.final();
  }

  try {
    await deps.blobs.put(ciphertext(), () => sealer.summary().digest);
  } catch (thrown) {
    key.fill(0);
    if (thrown instanceof Refusal) return thrown.refusal;
    throw asGatewayError(thrown);
  }
  if (header === undefined) throw new GatewayError('internal', 'the object ended before its header was read');

  const { digest, size: sealedSize } = sealer.summary();
  const receivedAt = deps.clock.now();
  const blob = { digest, size: sealedSize, key, dataSetOffset: fileMeta.length, dataSetSize: size };
  const document = instanceDocument(header, { transferSyntaxUid: instance.transferSyntaxUid, receivedAt, blob });
  try {
    const accepted = await submit(deps, document, content.digest());
    if (accepted.replayed) await removeUnnamed(deps, digest);
    return { leaf: accepted.leaf, replayed: accepted.replayed, studyInstanceUid: header.studyInstanceUid, size };
  } catch (thrown) {
    const error = asGatewayError(thrown);
    if (!IN_DOUBT.has(error.code)) await removeUnnamed(deps, digest);
    throw error;
  } finally {
    key.fill(0);
  }
}

function submit(
  deps: StoreInstanceDeps,
  document: ReturnType<typeof instanceDocument>,
  content: Buffer,
): Promise<Accepted> {
  return deps.writer.submit({
    kind: 'dicom-instance',
    source: sourceName(deps.source),
    control: document.sopInstanceUid,
    content,
    uniqueControl: true,
    thread: studyThread(document.studyInstanceUid),
    raw: { bytes: encodeInstance(document), contentType: 'application/json' },
    about: [instancePatientKey(document.attributes, deps.source)],
    blobs: [{ digest: document.blob.digest, size: document.blob.size }],
    changes: [],
    receivedAt: document.receivedAt,
    sourceTime: document.receivedAt,
    details: { sopClass: document.sopClassUid, transferSyntax: document.transferSyntaxUid },
  });
}
