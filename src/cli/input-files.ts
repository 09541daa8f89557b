/**
 * What `anamnesis send` is given: files and folders, each put under the protocol that carries it. Names decide for `.hl7`
 * and `.json`; of the rest the beginning: a header of HL7 v2, or of a DICOM Part 10 file. What is neither is skipped in folders.
 */
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { UsageError } from './command.ts';

export interface InputFiles {
  readonly hl7v2: readonly string[];
  readonly dicom: readonly string[];
  readonly fhir: readonly string[];
  /** Files in folders that are of none of these kinds. */
  readonly skipped: readonly string[];
}

/** A segment that begins a message, batch or file, behind a byte order mark, white space or a frame's first byte (VT, white space too). */
const HL7_HEAD = /^(?:\u00ef\u00bb\u00bf)?\s*(?:MSH|BHS|FHS)[^A-Za-z0-9\s]/;

function kindByContent(path: string): 'hl7v2' | 'dicom' | undefined {
  const file = openSync(path, 'r');
  try {
    const head = Buffer.alloc(132);
    const text = head.toString('latin1', 0, readSync(file, head, 0, 132, 0));
    // `DICM` after the preamble of 128 bytes (PS3.10 section 7.1).
    if (text.length === 132 && text.endsWith('DICM')) return 'dicom';
    return HL7_HEAD.test(text) ? 'hl7v2' : undefined;
  } finally {
    closeSync(file);
  }
}

/** Sorted by path inside folders, in the order given otherwise. Throws a UsageError for what is not there. */
export function findInputFiles(paths: readonly string[]): InputFiles {
  const found = {
    hl7v2: new Array<string>(),
    dicom: new Array<string>(),
    fhir: new Array<string>(),
    skipped: new Array<string>(),
  };
  const add = (path: string, named: boolean): void => {
    const extension = extname(path).toLowerCase();
    if (extension === '.hl7') found.hl7v2.push(path);
    else if (extension === '.json') found.fhir.push(path);
    else {
      const kind = kindByContent(path);
      if (kind === 'hl7v2') found.hl7v2.push(path);
      // A file that the person named is sent as DICOM whatever it holds: the answer will say what is wrong with it.
      else if (kind === 'dicom' || named || extension === '.dcm') found.dicom.push(path);
      else found.skipped.push(path);
    }
  };
  for (const path of paths) {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) throw new UsageError(`there is no file ${path}`);
    if (!stat.isDirectory()) {
      add(path, true);
      continue;
    }
    const entries = readdirSync(path, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile() && !basename(entry.name).startsWith('.'));
    for (const file of files.map((entry) => join(entry.parentPath, entry.name)).toSorted()) add(file, false);
  }
  return found;
}
