/**
 * Every bound of the product, with unit and source. Parsers and listeners take theirs as an argument; the defaults
 * here are what the configuration starts from.
 */

/** Lines of one sealed group (DESIGN: one bit of a 64-bit mask each). */
export const GROUP_MAX_LINES = 64;
/** Bytes of one sealed group's plaintext, padding included: what common JOSE libraries agree to inflate. */
export const GROUP_MAX_BYTES = 250_000;
/** Entries of one list of a resource; with as many references it would not fit into a sealed group. */
export const LIST_MAX_ENTRIES = 4_096;
/** Things left out that a message is reported with; the rest of a message of thousands is of the same kind. */
export const OMISSIONS_MAX = 1_000;
/** Results that one report, or one panel of a report, names: beyond it they are named by panels (`normalize/hl7v2/panels`). */
export const PANEL_MAX_RESULTS = 2_000;
/** Characters of base64 up to which a document stays inside its resource; a larger one becomes a Binary with a blob. */
export const ATTACHMENT_INLINE_CHARACTERS = 65_536;
/** The same where the documents of one resource have more than `ATTACHMENTS_MAX_CHARACTERS` together: it must fit into a sealed group. */
export const ATTACHMENT_CROWDED_CHARACTERS = 4_096;
export const ATTACHMENTS_MAX_CHARACTERS = 180_000;
/** Bytes of a document that are given out as base64 in a FHIR Binary; a larger one is read by its own media type. */
export const BINARY_JSON_MAX_BYTES = 16 * 1024 * 1024;
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
/** Bytes of one association PDU (A-ASSOCIATE-RQ: 128 contexts with 40 transfer syntaxes each are 170 KB). */
export const DICOM_MAX_ASSOCIATE_BYTES = 262_144;
/** Bytes of one DIMSE command set; ours and those of DCMTK stay under 400. */
export const DICOM_MAX_COMMAND_BYTES = 16_384;
/** Bytes of one DICOM data set; a larger one aborts the association. */
export const DICOM_MAX_OBJECT_BYTES = 8 * 1024 * 1024 * 1024;
/** Characters of one header attribute that is kept (PS3.5: 64 for LO, 3 x 64 for PN; the rest is slack). */
export const DICOM_MAX_ATTRIBUTE_CHARS = 1024;
/** Bytes of one ImagingStudy, so that it fits into a sealed group: beyond it instances are counted, not listed. */
export const IMAGING_STUDY_MAX_BYTES = 200_000;
/** First bytes of a data set in which the attributes that we read must stand. */
export const DICOM_HEADER_BYTES = 262_144;
/** Plaintext bytes of one blob chunk. */
export const BLOB_CHUNK_BYTES = 65_536;

/** Bytes of JSON of one source's profile, so that it fits into one sealed group. */
export const SOURCE_PROFILE_MAX_BYTES = 240_000;
/** Senders whose source a process remembers. */
export const SENDERS_MAX = 4_096;

/** Connections and associations at one time, by listener. */
export const MLLP_MAX_CONNECTIONS = 256;
/** Milliseconds that a TLS handshake of an MLLP connection may take. */
export const MLLP_HANDSHAKE_MS = 20_000;
/** Milliseconds without a byte behind an FS after which the frame counts as whole, for senders that leave out the CR. */
export const MLLP_FRAME_END_MS = 50;
/** Bytes that an MLLP connection may hold even when all together hold too many: any ordinary message. */
export const MLLP_CONNECTION_SHARE_BYTES = 64 * 1024;
export const DICOM_MAX_ASSOCIATIONS = 64;
export const HTTP_MAX_CONNECTIONS = 4096;
/** Milliseconds without a byte after which an MLLP or DICOM connection is closed. Interfaces keep theirs open for hours. */
export const LISTENER_IDLE_MS = 15 * 60_000;
/** Milliseconds that one HTTP request may take. */
export const REQUEST_DEADLINE_MS = 60_000;
/** Milliseconds that a stop waits for work in flight. Container engines kill after 10 seconds by default. */
export const SHUTDOWN_DEADLINE_MS = 8_000;
/** Bytes of free disk below which intake is refused (DESIGN section 11). */
export const FREE_DISK_FLOOR_BYTES = 512 * 1024 * 1024;

/** Patients that may be one person by merges and links. Beyond it somebody merges into a dummy number. Every read goes over all of them. */
export const LINKED_PATIENTS_MAX = 64;

/** Seconds by which the clocks of two gateways may differ: of tokens, member notes and suspensions between them. */
export const PEER_CLOCK_SKEW_SECONDS = 300;

/** Bytes that one mirrored log may take: of the disk of whoever mirrors it. */
export const MIRROR_MAX_BYTES = 1024 * 1024 * 1024 * 1024;
