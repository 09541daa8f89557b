/** What the gateway assumes about the senders of DICOM objects: assigners, character set, time zone. */
import type { HeaderAttributes } from '../../formats/dicom/header.ts';

export interface DicomSource {
  /** Name of the source in manifests and logs. Not PHI. */
  readonly name: string;
  /** System (URI) of patient ids without an issuer. The same as the HL7 source's, or patients part ways. */
  readonly defaultAssigner: string;
  /** Local issuer names (0010,0021) and the systems they stand for. */
  readonly assigners: Readonly<Record<string, string>>;
  /** Specific Character Set of objects that state none and are not ASCII, as `ISO_IR 100`; undefined: such text is left out. */
  readonly fallbackCharacterSet: string | undefined;
  /** IANA zone of times without Timezone Offset From UTC; undefined: such times are cut to the date. */
  readonly timeZone: string | undefined;
}

/** System of a universal entity id by its type (PS3.3 table 10-17); undefined for types that are no global name. */
export function universalSystem(id: string | undefined, type: string | undefined): string | undefined {
  if (id === undefined) return undefined;
  if (type === 'ISO') return `urn:oid:${id}`;
  if (type === 'UUID') return `urn:uuid:${id.toLowerCase()}`;
  if (type === 'URI') return id;
  return undefined;
}

/** The assigner of (0010,0020): its universal id, else the local name's system, else the source's default. */
export function patientAssigner(attributes: HeaderAttributes, source: DicomSource): string {
  const universal = universalSystem(attributes.PatientIssuerUniversal, attributes.PatientIssuerUniversalType);
  const local = attributes.IssuerOfPatientID;
  return universal ?? (local === undefined ? undefined : source.assigners[local]) ?? source.defaultAssigner;
}
