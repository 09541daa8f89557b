/** The part of dicom-character-set (which has no types of its own) that we use. Throws for character sets it does not know. */
declare module 'dicom-character-set' {
  export function convertBytes(
    specificCharacterSet: string | undefined,
    bytes: Uint8Array,
    options?: { vr?: string },
  ): string;
}
