/**
 * Header attributes of an object: the ones that studies, series and patients are made of, as text, from the first bytes of
 * its data set. dicom-parser reads the elements, dicom-character-set their text. Pixels are never touched.
 */
import { createRequire } from 'node:module';
import { createInflateRaw } from 'node:zlib';
import { convertBytes } from 'dicom-character-set';
import type * as DicomParser from 'dicom-parser';
import { DICOM_MAX_ATTRIBUTE_CHARS } from '../../core/limits.ts';
import { encodingOf, isUid } from './uid.ts';

// The package is CommonJS whose names Node cannot see as ESM exports.
const dicomParser: typeof DicomParser = createRequire(import.meta.url)('dicom-parser');
type DataSet = DicomParser.DataSet;
type Element = DicomParser.Element;

/** Attributes read, by keyword (PS3.6 section 6), with tag and value representation. */
const ATTRIBUTES = {
  SOPClassUID: ['x00080016', 'UI'],
  SOPInstanceUID: ['x00080018', 'UI'],
  StudyDate: ['x00080020', 'DA'],
  SeriesDate: ['x00080021', 'DA'],
  StudyTime: ['x00080030', 'TM'],
  SeriesTime: ['x00080031', 'TM'],
  AccessionNumber: ['x00080050', 'SH'],
  Modality: ['x00080060', 'CS'],
  ReferringPhysicianName: ['x00080090', 'PN'],
  TimezoneOffsetFromUTC: ['x00080201', 'SH'],
  StudyDescription: ['x00081030', 'LO'],
  SeriesDescription: ['x0008103e', 'LO'],
  NameOfPhysiciansReadingStudy: ['x00081060', 'PN'],
  PatientName: ['x00100010', 'PN'],
  PatientID: ['x00100020', 'LO'],
  IssuerOfPatientID: ['x00100021', 'LO'],
  PatientBirthDate: ['x00100030', 'DA'],
  PatientSex: ['x00100040', 'CS'],
  BodyPartExamined: ['x00180015', 'CS'],
  StudyInstanceUID: ['x0020000d', 'UI'],
  SeriesInstanceUID: ['x0020000e', 'UI'],
  StudyID: ['x00200010', 'SH'],
  SeriesNumber: ['x00200011', 'IS'],
  InstanceNumber: ['x00200013', 'IS'],
  Laterality: ['x00200060', 'CS'],
  AdmissionID: ['x00380010', 'LO'],
} as const;

/** Attributes of the first item of a sequence: keyword, sequence, element, value representation. */
const NESTED = {
  AccessionIssuerLocal: ['x00080051', 'x00400031', 'UT'],
  AccessionIssuerUniversal: ['x00080051', 'x00400032', 'UT'],
  AccessionIssuerUniversalType: ['x00080051', 'x00400033', 'CS'],
  PatientIssuerUniversal: ['x00100024', 'x00400032', 'UT'],
  PatientIssuerUniversalType: ['x00100024', 'x00400033', 'CS'],
  ProcedureCode: ['x00081032', 'x00080100', 'SH'],
  ProcedureCodeScheme: ['x00081032', 'x00080102', 'SH'],
  ProcedureCodeMeaning: ['x00081032', 'x00080104', 'LO'],
} as const;

export type HeaderKeyword = keyof typeof ATTRIBUTES | keyof typeof NESTED;
/** Values as text, trimmed; several values of one element stay joined by backslashes. Empty elements are absent. */
export type HeaderAttributes = Readonly<Partial<Record<HeaderKeyword, string>>>;

export interface DicomHeader {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly attributes: HeaderAttributes;
  /** Attributes whose bytes are not text of the declared character set, by keyword: left out rather than guessed. */
  readonly unreadable: readonly HeaderKeyword[];
}

/** Why no header could be read; `expression` is the tag as `(gggg,eeee)`. */
export interface HeaderFault {
  readonly fault: 'unreadable' | 'truncated' | 'missing';
  readonly expression?: string;
}

export interface HeaderInput {
  /** The data set from its start, as received, at most DICOM_HEADER_BYTES. */
  readonly bytes: Buffer;
  readonly transferSyntaxUid: string;
  /** Bytes of the whole data set as received. */
  readonly dataSetSize: number;
  /** Specific Character Set to assume where the object states none and is not ASCII, as `ISO_IR 100`. */
  readonly fallbackCharacterSet: string | undefined;
}

const PIXEL_DATA = 'x7fe00010';
const UNDEFINED_LENGTH = 0xffffffff;
/** Elements whose lack makes an object useless, in the order in which they are reported. */
const REQUIRED = ['SOPClassUID', 'SOPInstanceUID', 'StudyInstanceUID', 'SeriesInstanceUID'] as const;
/** With these VRs a backslash separates values, and text is subject to Specific Character Set (PS3.5 section 6.1.2.3). */
const CHARSET_VR: ReadonlySet<string> = new Set(['LO', 'PN', 'SH', 'UT']);

/**
 * Reads the header. Deflated data sets are inflated up to the same bound. A data set that stops being readable after the
 * attributes that are required (a private VR, the bound of the header bytes) is not refused: it is stored as it came.
 */
export async function readHeader(input: HeaderInput, maxBytes: number): Promise<DicomHeader | HeaderFault> {
  const { deflated } = encodingOf(input.transferSyntaxUid);
  const bytes = deflated ? await inflateStart(input.bytes, maxBytes) : input.bytes;
  if (bytes === undefined) return { fault: 'unreadable' };
  const parsed = parseElements(bytes, input.transferSyntaxUid);
  if (parsed === undefined) return { fault: 'unreadable' };
  const pixels: Element | undefined = parsed.elements[PIXEL_DATA];
  const known = pixels !== undefined && pixels.length !== UNDEFINED_LENGTH && !deflated;
  if (known && pixels.dataOffset + pixels.length > input.dataSetSize)
    return { fault: 'truncated', expression: '(7FE0,0010)' };

  const charset = characterSetOf(parsed, input.fallbackCharacterSet);
  const attributes: Partial<Record<HeaderKeyword, string>> = {};
  const unreadable: HeaderKeyword[] = [];
  const take = (keyword: HeaderKeyword, dataSet: DataSet | undefined, tag: string, vr: string): void => {
    const value = dataSet === undefined ? '' : textOf(dataSet, tag, vr, charset);
    if (value === undefined) unreadable.push(keyword);
    else if (value !== '') attributes[keyword] = value;
  };
  for (const [keyword, [tag, vr]] of entriesOf(ATTRIBUTES)) take(keyword, parsed, tag, vr);
  for (const [keyword, [sequence, tag, vr]] of entriesOf(NESTED)) take(keyword, firstItem(parsed, sequence), tag, vr);

  for (const keyword of REQUIRED) {
    const value = attributes[keyword];
    if (value === undefined || !isUid(value)) return { fault: 'missing', expression: tagText(ATTRIBUTES[keyword][0]) };
  }
  const { SOPClassUID, SOPInstanceUID, StudyInstanceUID, SeriesInstanceUID } = attributes;
  return {
    sopClassUid: SOPClassUID ?? '',
    sopInstanceUid: SOPInstanceUID ?? '',
    studyInstanceUid: StudyInstanceUID ?? '',
    seriesInstanceUid: SeriesInstanceUID ?? '',
    attributes,
    unreadable,
  };
}

function entriesOf<K extends string, V>(table: Readonly<Record<K, V>>): [K, V][] {
  return Object.entries(table) as [K, V][];
}

function tagText(tag: string): string {
  return `(${tag.slice(1, 5)},${tag.slice(5)})`.toUpperCase();
}

/** The elements up to the pixels. What was read before a fault counts; undefined when nothing was. */
function parseElements(bytes: Buffer, transferSyntax: string): DataSet | undefined {
  const { explicitVr, bigEndian } = encodingOf(transferSyntax);
  const parser = bigEndian ? dicomParser.bigEndianByteArrayParser : dicomParser.littleEndianByteArrayParser;
  // A name that makes parseDicom neither inflate nor look for file meta information; only the encoding counts from here.
  const syntax = explicitVr ? (bigEndian ? '1.2.840.10008.1.2.2' : '1.2.840.10008.1.2.1') : '1.2.840.10008.1.2';
  try {
    return dicomParser.parseDicom(bytes, { TransferSyntaxUID: syntax, untilTag: PIXEL_DATA });
  } catch (thrown) {
    // It throws an object with what it has read so far, not an Error; and strings before the first element.
    const partial = typeof thrown === 'object' && thrown !== null && 'dataSet' in thrown ? thrown.dataSet : undefined;
    return isDataSet(partial) && partial.byteArrayParser === parser ? partial : undefined;
  }
}

function isDataSet(value: unknown): value is DataSet {
  return (
    typeof value === 'object' &&
    value !== null &&
    'elements' in value &&
    'byteArray' in value &&
    'byteArrayParser' in value
  );
}

function firstItem(dataSet: DataSet, sequence: string): DataSet | undefined {
  const element: Element | undefined = dataSet.elements[sequence];
  return element?.items?.[0]?.dataSet;
}

function bytesOf(dataSet: DataSet, tag: string): Uint8Array | undefined {
  const element: Element | undefined = dataSet.elements[tag];
  if (element === undefined || element.length === 0 || element.length === UNDEFINED_LENGTH) return undefined;
  if (element.dataOffset + element.length > dataSet.byteArray.length) return undefined;
  return dataSet.byteArray.subarray(element.dataOffset, element.dataOffset + element.length);
}

function characterSetOf(dataSet: DataSet, fallback: string | undefined): string | undefined {
  const bytes = bytesOf(dataSet, 'x00080005');
  const stated = bytes === undefined ? '' : Buffer.from(bytes).toString('latin1').trim();
  return stated === '' ? fallback : stated;
}

/** '' for absent or empty, undefined for bytes that are not text. */
function textOf(dataSet: DataSet, tag: string, vr: string, charset: string | undefined): string | undefined {
  const bytes = bytesOf(dataSet, tag);
  if (bytes === undefined) return '';
  const ascii = bytes.every((byte) => byte < 0x80 && byte !== 0x1b);
  const text = ascii || !CHARSET_VR.has(vr) ? Buffer.from(bytes).toString('latin1') : decoded(bytes, vr, charset);
  const trimmed = text?.replace(/[\0 ]+$/, '').replace(/^ +/, '');
  return trimmed !== undefined && trimmed.length > DICOM_MAX_ATTRIBUTE_CHARS ? undefined : trimmed;
}

function decoded(bytes: Uint8Array, vr: string, charset: string | undefined): string | undefined {
  if (charset === undefined) return undefined;
  try {
    const text = convertBytes(charset, new Uint8Array(bytes), { vr });
    return text.includes('\ufffd') ? undefined : text;
  } catch {
    return undefined;
  }
}

/** The first `maxBytes` of a deflated data set (PS3.5 A.5: raw deflate); undefined when it does not inflate at all. */
async function inflateStart(bytes: Buffer, maxBytes: number): Promise<Buffer | undefined> {
  const inflate = createInflateRaw();
  const pieces: Buffer[] = [];
  let size = 0;
  inflate.on('error', () => {});
  inflate.end(bytes);
  try {
    for await (const piece of inflate) {
      if (!Buffer.isBuffer(piece)) break;
      pieces.push(piece);
      size += piece.length;
      if (size >= maxBytes) break;
    }
  } catch {
    // The input is the start of a stream: its end is missing. What was inflated before counts.
  }
  inflate.destroy();
  return size === 0 ? undefined : Buffer.concat(pieces, size).subarray(0, maxBytes);
}
