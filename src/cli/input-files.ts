/**
 * What `anamnesis send` is given: files and folders, each put under the protocol that carries it. Names decide for `.hl7`
 * and `.json`; in folders, what is neither is DICOM when it starts like a Part 10 file, and skipped when not.
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

/** `DICM` after the preamble of 128 bytes (PS3.10 section 7.1). */
function looksLikeDicom(path: string): boolean {
  const file = openSync(path, 'r');
  try {
    const head = Buffer.alloc(132);
    return readSync(file, head, 0, 132, 0) === 132 && head.toString('latin1', 128) === 'DICM';
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
    // A file that the person named is sent as DICOM whatever it is called: the answer will say what is wrong with it.
    else if (named || extension === '.dcm' || looksLikeDicom(path)) found.dicom.push(path);
    else found.skipped.push(path);
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
