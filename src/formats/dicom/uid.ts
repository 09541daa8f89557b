/**
 * Unique identifiers (PS3.5 section 9, PS3.6 annex A) and what this gateway takes: any storage SOP class of a patient, any
 * transfer syntax whose data set can be read up to the pixels, stored as it came.
 */

/** Our Implementation Class UID (PS3.7 D.3.3.2), derived from a UUID (PS3.5 B.2). */
export const IMPLEMENTATION_CLASS_UID = '2.25.320248410721559591824775641704550904997';
/** Our Implementation Version Name, at most 16 characters. */
export const IMPLEMENTATION_VERSION_NAME = 'ANAMNESIS_01';

/** The DICOM application context (PS3.7 A.2.1). */
export const APPLICATION_CONTEXT_UID = '1.2.840.10008.3.1.1.1';
/** Verification SOP class: C-ECHO (PS3.4 annex A). */
export const VERIFICATION_UID = '1.2.840.10008.1.1';

export const IMPLICIT_VR_LITTLE_ENDIAN = '1.2.840.10008.1.2';
export const EXPLICIT_VR_LITTLE_ENDIAN = '1.2.840.10008.1.2.1';
export const DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN = '1.2.840.10008.1.2.1.99';
export const EXPLICIT_VR_BIG_ENDIAN = '1.2.840.10008.1.2.2';

const UID = /^\d+(\.\d+)*$/;

/** True for a UID: digits and dots, at most 64 characters. Leading zeros of a component are let pass, as senders write them. */
export function isUid(text: string): boolean {
  return text.length <= 64 && UID.test(text);
}

const DICOM_ROOT = '1.2.840.10008.';
/** The storage SOP classes of PS3.4 B.5 stand under this root; those outside it are named below. */
const STORAGE_ROOT = '1.2.840.10008.5.1.4.1.1.';
const OTHER_STORAGE: ReadonlySet<string> = new Set([
  '1.2.840.10008.5.1.4.34.7', // RT Beams Delivery Instruction
  '1.2.840.10008.5.1.4.34.10', // RT Brachy Application Setup Delivery Instruction
  '1.2.840.10008.5.1.1.27', // Stored Print (retired)
  '1.2.840.10008.5.1.1.29', // Hardcopy Grayscale Image (retired)
  '1.2.840.10008.5.1.1.30', // Hardcopy Color Image (retired)
]);
/** Storage classes without a patient (PS3.4 annex GG): protocols and inventories. */
const NO_PATIENT = /^1\.2\.840\.10008\.5\.1\.4\.1\.1\.20[01]\./;

/**
 * True for a SOP class whose objects we store: the standard's patient storage classes, known or new, and every private
 * class (a private class that is not for storage fails at its first command).
 */
export function isStorageClass(uid: string): boolean {
  if (!isUid(uid) || NO_PATIENT.test(uid)) return false;
  return uid.startsWith(STORAGE_ROOT) || OTHER_STORAGE.has(uid) || !uid.startsWith(DICOM_ROOT);
}

const STANDARD_TRANSFER_SYNTAX = /^1\.2\.840\.10008\.1\.2(\.|$)/;
/**
 * Not for storage: pixels behind a URL (JPIP referenced), MIME and XML encapsulation, live video (SMPTE ST 2110).
 */
const NOT_STORABLE = /^1\.2\.840\.10008\.1\.2\.(4\.(94|95|204|205)|6\.\d+|7\.\d+)$/;

/** True for a transfer syntax that we store: those of the standard, known or new. Private ones cannot be read. */
export function isStorableTransferSyntax(uid: string): boolean {
  return isUid(uid) && STANDARD_TRANSFER_SYNTAX.test(uid) && !NOT_STORABLE.test(uid);
}

/** How the data set of a transfer syntax is written. Every encapsulated one is explicit VR little endian (PS3.5 A.4). */
export interface DataSetEncoding {
  readonly explicitVr: boolean;
  readonly bigEndian: boolean;
  readonly deflated: boolean;
}

export function encodingOf(transferSyntax: string): DataSetEncoding {
  return {
    explicitVr: transferSyntax !== IMPLICIT_VR_LITTLE_ENDIAN,
    bigEndian: transferSyntax === EXPLICIT_VR_BIG_ENDIAN,
    deflated: transferSyntax === DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
  };
}
