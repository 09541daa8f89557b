/**
 * The instance document: what is kept of one stored object besides its blob, as the JSON that the writer seals as the
 * message's raw payload. The study follower makes studies of it; `openBlob` finds the object by it.
 */
import { fromBase64url, toBase64url } from '../../core/bytes.ts';
import type { BusinessKey } from '../../formats/fhir/change.ts';
import type { DicomHeader, HeaderAttributes, HeaderKeyword } from '../../formats/dicom/header.ts';
import { identifierKey } from '../hl7v2/source-profile.ts';
import { patientSystem, type DicomSource } from './source.ts';

export interface InstanceDocument {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly transferSyntaxUid: string;
  readonly attributes: HeaderAttributes;
  /** Attributes left out because their bytes are not text. */
  readonly unreadable: readonly HeaderKeyword[];
  /** Milliseconds since 1970. */
  readonly receivedAt: number;
  readonly blob: {
    /** SHA-256 of the ciphertext, 32 bytes. */
    readonly digest: Buffer;
    /** Ciphertext bytes. */
    readonly size: number;
    /** 32 bytes. */
    readonly key: Buffer;
    /** Bytes of preamble and file meta information before the data set, in the plaintext. */
    readonly dataSetOffset: number;
    /** Bytes of the data set. */
    readonly dataSetSize: number;
  };
}

export function instanceDocument(
  header: DicomHeader,
  rest: Pick<InstanceDocument, 'transferSyntaxUid' | 'receivedAt' | 'blob'>,
): InstanceDocument {
  const { sopClassUid, sopInstanceUid, studyInstanceUid, seriesInstanceUid, attributes, unreadable } = header;
  return { sopClassUid, sopInstanceUid, studyInstanceUid, seriesInstanceUid, attributes, unreadable, ...rest };
}

/** UTF-8 JSON, one object; a few KiB at most. */
export function encodeInstance(document: InstanceDocument): Buffer {
  const blob = { ...document.blob, digest: toBase64url(document.blob.digest), key: toBase64url(document.blob.key) };
  return Buffer.from(JSON.stringify({ version: 1, ...document, blob }));
}

/** The document of what `encodeInstance` wrote (trailing newlines of the seal's padding allowed); undefined for anything else. */
export function decodeInstance(bytes: Buffer): InstanceDocument | undefined {
  try {
    // Only our own sealed bytes come here; the version says which form they have.
    const read = JSON.parse(bytes.toString('utf8')) as InstanceDocument & {
      readonly version: number;
      readonly blob: { readonly digest: string; readonly key: string };
    };
    const digest = fromBase64url(read.blob.digest);
    const key = fromBase64url(read.blob.key);
    if (read.version !== 1 || digest === undefined || key === undefined) return undefined;
    const { version: _, ...document } = read;
    return { ...document, blob: { ...read.blob, digest, key } };
  } catch {
    return undefined;
  }
}

/**
 * Key of the patient of an object: patient id with its assigner. Without an id the person is known only inside this study;
 * names are never a key.
 */
export function instancePatientKey(attributes: HeaderAttributes, source: DicomSource): BusinessKey {
  const id = attributes.PatientID;
  return id === undefined
    ? ['dicom-study', attributes.StudyInstanceUID ?? '']
    : identifierKey(patientSystem(source, attributes), id);
}

/** What the messages of one study have in common, for followers (`Submission.thread`). */
export function studyThread(studyInstanceUid: string): BusinessKey {
  return ['study', studyInstanceUid];
}
