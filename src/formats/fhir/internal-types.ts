/**
 * Types of records that only the gateway itself uses. They are sealed, anchored and versioned as all records are, but they
 * are no FHIR: they are not validated as such, not indexed, not served, and no rendered resource names them.
 */

/**
 * - `BinaryContent`: where the content of a Binary lies in the blob store, and its key (`services/binary-content`).
 * - `DicomInstance`: the same of a stored DICOM object.
 */
export const INTERNAL_TYPES: ReadonlySet<string> = new Set(['BinaryContent', 'DicomInstance']);
