/**
 * Sends DICOM files by C-STORE: finds what each file is, proposes its SOP class in its own transfer syntax, sends it as it
 * is, and reports each status. Files of many kinds take several associations, one after the other.
 */
import { open } from 'node:fs/promises';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import { DICOM_HEADER_BYTES } from '../core/limits.ts';
import { readHeader } from '../formats/dicom/header.ts';
import { readFileStart } from '../formats/dicom/part10.ts';
import {
  MAX_STORAGE_CONTEXTS,
  openAssociation,
  type DicomAssociation,
  type DicomPeer,
  type DimseStatus,
  type OutgoingInstance,
} from './dicom.ts';

/** Bytes read from a file at a time. */
const READ_BYTES = 262_144;

export interface DicomFile extends Omit<OutgoingInstance, 'dataSet'> {
  readonly path: string;
  /** Offset of the data set, bytes. */
  readonly dataSetOffset: number;
  /** Bytes of the file. */
  readonly size: number;
}

/** What became of one file: the peer's status, or the error that kept it from being sent. */
export interface SentFile {
  readonly path: string;
  readonly size: number;
  readonly result: DimseStatus | GatewayError;
}

/** Looks into a file. Throws `unsupported-media-type` when it is no DICOM file, `invalid-content` when it does not say what it is. */
export async function describeDicomFile(path: string): Promise<DicomFile> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const bytes = Buffer.alloc(Math.min(size, DICOM_HEADER_BYTES));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    const first = bytes.subarray(0, bytesRead);
    const start = readFileStart(first);
    if (start === undefined) throw new GatewayError('unsupported-media-type', 'not a DICOM file');
    const { dataSetOffset, transferSyntaxUid } = start;
    const input = {
      bytes: first.subarray(dataSetOffset),
      transferSyntaxUid,
      dataSetSize: size - dataSetOffset,
      fallbackCharacterSet: undefined,
    };
    const header = await readHeader(input, DICOM_HEADER_BYTES);
    // The data set says what the object is; file meta information that differs is a copying mistake of old tools.
    const sopClassUid = 'fault' in header ? start.meta.mediaStorageSopClassUid : header.sopClassUid;
    const sopInstanceUid = 'fault' in header ? start.meta.mediaStorageSopInstanceUid : header.sopInstanceUid;
    if (sopClassUid === undefined || sopInstanceUid === undefined) {
      throw new GatewayError('invalid-content', 'the file does not name its SOP class and instance');
    }
    return { path, size, dataSetOffset, transferSyntaxUid, sopClassUid, sopInstanceUid };
  } finally {
    await file.close();
  }
}

async function* dataSetOf(file: DicomFile): AsyncGenerator<Buffer, void, undefined> {
  const handle = await open(file.path, 'r');
  try {
    for (let at = file.dataSetOffset; ;) {
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

const kindOf = (file: DicomFile): string => `${file.sopClassUid} ${file.transferSyntaxUid}`;

/** Takes from the front of `files` what fits into one association. */
function takeBatch(files: DicomFile[]): { batch: DicomFile[]; contexts: DicomFile[] } {
  const kinds = new Map<string, DicomFile>();
  let count = 0;
  for (const file of files) {
    if (!kinds.has(kindOf(file)) && kinds.size === MAX_STORAGE_CONTEXTS) break;
    kinds.set(kindOf(file), file);
    count += 1;
  }
  return { batch: files.splice(0, count), contexts: [...kinds.values()] };
}

/**
 * Sends the files in order and yields what became of each as soon as it is known. Throws when the first association cannot be opened;
 * an association lost later is opened again for the files that remain.
 */
export async function* sendDicomFiles(
  peer: DicomPeer,
  paths: Iterable<string>,
): AsyncGenerator<SentFile, void, undefined> {
  const files: DicomFile[] = [];
  for (const path of paths) {
    try {
      files.push(await describeDicomFile(path));
    } catch (thrown) {
      yield { path, size: 0, result: readError(thrown) };
    }
  }
  while (files.length > 0) {
    const { batch, contexts } = takeBatch(files);
    const association = await openAssociation(peer, contexts);
    let lost = false;
    for (const [i, file] of batch.entries()) {
      const result = await sendOne(association, file);
      yield { path: file.path, size: file.size, result };
      lost = result instanceof GatewayError && result.code !== 'not-supported';
      if (!lost) continue;
      association.abort();
      files.unshift(...batch.slice(i + 1));
      break;
    }
    if (!lost) await association.release().catch(() => {});
  }
}

async function sendOne(association: DicomAssociation, file: DicomFile): Promise<DimseStatus | GatewayError> {
  try {
    return await association.store({ ...file, dataSet: dataSetOf(file) });
  } catch (thrown) {
    return asGatewayError(thrown);
  }
}

function readError(thrown: unknown): GatewayError {
  return thrown instanceof GatewayError
    ? thrown
    : new GatewayError('invalid-content', 'the file cannot be read', { cause: thrown });
}
