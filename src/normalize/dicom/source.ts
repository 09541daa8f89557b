/** What the gateway assumes about the senders of DICOM objects: whose numbers, which character set, which clock. */
import type { HeaderAttributes } from '../../formats/dicom/header.ts';
import { identifierSystem, type SourceProfile } from '../hl7v2/source-profile.ts';

export interface DicomSource {
  /** Name of the institution's source, as its HL7 source has it. Not PHI. */
  readonly name: string;
  /**
   * The institution's profile, the same as that of its HL7 source: assigners of numbers and the clock. With another one the images
   * of a patient and the laboratory results would belong to two patients.
   */
  readonly profile: Pick<SourceProfile, 'assigner' | 'namespaces' | 'zone'>;
  /** Specific Character Set of objects that state none and are not ASCII, as `ISO_IR 100`; undefined: such text is left out. */
  readonly fallbackCharacterSet: string | undefined;
}

/**
 * The name under which DICOM messages are submitted. A name of their own: order is kept inside a source, and the clocks of
 * images (receipt) and of HL7 messages (MSH-7) must not shut each other out.
 */
export function sourceName(source: DicomSource): string {
  return `${source.name}:dicom`;
}

/** The type codes of table 0203 for the numbers of an object. */
export type NumberType = 'MR' | 'ACSN';

/** System of a number by its issuer: local name, universal id with its type (PS3.3 table 10-17), all optional. */
export function issuerSystem(
  source: DicomSource,
  issuer: {
    readonly local: string | undefined;
    readonly universal: string | undefined;
    readonly type: string | undefined;
  },
  numberType: NumberType,
): string {
  return identifierSystem(
    source.profile,
    { namespace: issuer.local, universalId: issuer.universal, universalIdType: issuer.type },
    numberType,
  );
}

/** System of (0010,0020). */
export function patientSystem(source: DicomSource, attributes: HeaderAttributes): string {
  const { IssuerOfPatientID: local, PatientIssuerUniversal: universal, PatientIssuerUniversalType: type } = attributes;
  return issuerSystem(source, { local, universal, type }, 'MR');
}
