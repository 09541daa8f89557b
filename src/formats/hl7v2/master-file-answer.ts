/**
 * What MFK answers to MFN (HL7 v2 section 8.4, segments MFI and MFA): the file that was sent, and one MFA for each of its entries, as
 * far as MFI-6 asks for them. A message is taken whole or not at all, so that all entries have the same fate. The keys of entries are
 * of the directory: no patient is in a master file.
 */
import type { AckHeader } from './ack.ts';

/** MFI and MFE of a message: raw fields, `[0]` the identifier. */
export interface MasterFile {
  readonly mfi: readonly string[];
  readonly entries: readonly (readonly string[])[];
}

/** Bytes that an answer may repeat: no control characters, which could end its frame. */
const REPEATABLE = /^[ -~\u0080-\u00ff]{0,250}$/;

/** The master file of an MFN, its texts Latin-1 characters of the bytes; undefined without MFI. */
export function masterFileOf(bytes: Buffer, separator: string): MasterFile | undefined {
  const lines = bytes.toString('latin1').split(/[\r\n]+/);
  const fieldsOf = (line: string): string[] =>
    line.split(separator).map((field) => (REPEATABLE.test(field) ? field : ''));
  const mfi = lines.find((line) => line.startsWith(`MFI${separator}`));
  if (mfi === undefined) return undefined;
  return { mfi: fieldsOf(mfi), entries: lines.filter((line) => line.startsWith(`MFE${separator}`)).map(fieldsOf) };
}

/** Type of the answer, MSH-9. */
export function masterFileType({ trigger, encoding }: AckHeader): string {
  return ['MFK', trigger, 'MFK_M01'].join(encoding[0]);
}

/**
 * Segments behind MSA and ERR, without their ends: MFI, then MFA for each entry where MFI-6 (table 0178) wants it: `AL` always, `ER` for
 * faults, `SU` for successes. `ok`: the entries are in the record. `now`: as in MSH-7.
 */
export function masterFileSegments(
  { mfi, entries }: MasterFile,
  separator: string,
  ok: boolean,
  now: string,
): readonly string[] {
  const wanted = ok ? ['AL', 'SU'] : ['AL', 'ER'];
  const answered = mfi.slice(0, 7).join(separator);
  if (!wanted.includes((mfi[6] ?? '').trim().toUpperCase())) return [answered];
  const lines = entries.map((mfe) =>
    // MFA-4: the message could or could not be posted (table 0181).
    ['MFA', mfe[1] ?? '', mfe[2] ?? '', now, ok ? 'S' : 'U', mfe[4] ?? '', mfe[5] ?? ''].join(separator),
  );
  return [answered, ...lines];
}
