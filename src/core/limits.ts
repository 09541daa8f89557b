/**
 * Every bound of the product, with unit and source. Parsers and listeners take theirs as an argument; the defaults
 * here are what the configuration starts from.
 */

/** Lines of one sealed group (DESIGN: one bit of a 64-bit mask each). */
export const GROUP_MAX_LINES = 64;
/** Bytes of one sealed group's plaintext, padding included: what common JOSE libraries agree to inflate. */
export const GROUP_MAX_BYTES = 250_000;
/** Sealed plaintexts grow to a multiple of this many compressed bytes. */
export const GROUP_PADDING_STEP = 64;
/** Tag numbers that an enumeration of a lockbox skips before it gives up. */
export const TAG_GAP = 1024;

/** Bytes of one HL7 v2 message. */
export const HL7_MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
/** Bytes of one FHIR request body. */
export const FHIR_MAX_BODY_BYTES = 16 * 1024 * 1024;
/** Nesting of a JSON body. */
export const JSON_MAX_DEPTH = 64;
/** Entries of one FHIR transaction. */
export const FHIR_MAX_ENTRIES = 5_000;
/** Default and largest `_count` of a search. */
export const SEARCH_DEFAULT_COUNT = 50;
export const SEARCH_MAX_COUNT = 500;
/** Validity of a search's paging cursor, milliseconds. */
export const CURSOR_TTL_MS = 15 * 60_000;
/** Candidates up to which a search total is exact. */
export const SEARCH_EXACT_TOTAL = 10_000;

/** Bytes of one DICOM P-DATA-TF PDU that we announce and accept (PS3.8 annex D.1). */
export const DICOM_MAX_PDU_BYTES = 131_072;
/** First bytes of a data set in which the attributes that we read must stand. */
export const DICOM_HEADER_BYTES = 262_144;
/** Plaintext bytes of one blob chunk. */
export const BLOB_CHUNK_BYTES = 65_536;
