// What is damaged: the product's own samples, messages of every kind that is taken, and the corpora where they are.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Bytes of a file that are used at most: a header lies in the first 256 KiB. */
const MOST = 256 * 1024;

/** `{ hl7v2: string[] (Latin-1), fhir: object[], dicom: Buffer[] }`. `corpora`: a folder, or undefined. */
export function loadSeeds({ samplesHl7v2, samplesFhir, samplesDicom }, corpora) {
  const kinds = JSON.parse(readFileSync(new URL('./messages.json', import.meta.url), 'utf8'));
  const hl7v2 = [
    ...samplesHl7v2.SAMPLE_STAY.map(({ text }) => text),
    samplesHl7v2.sampleOru(3),
    ...kinds.map((segments) => `${segments.join('\r')}\r`),
  ].map((text) => Buffer.from(text).toString('latin1'));
  const fhir = [
    samplesFhir.sampleBundle('p1'),
    ...samplesFhir.sampleBundle('p1').entry.map(({ resource }) => resource),
  ];
  const dicom = [samplesDicom.sampleCtFile(samplesDicom.SAMPLE_CT)];
  if (corpora === undefined) return { hl7v2, fhir, dicom };
  for (const path of filesIn(join(corpora, 'hl7v2'), /\.hl7$/)) hl7v2.push(readFileSync(path, 'latin1'));
  for (const path of filesIn(join(corpora, 'fhir', 'synthea'), /\.json$/)) {
    for (const { resource } of JSON.parse(readFileSync(path, 'utf8')).entry.slice(0, 40)) fhir.push(resource);
  }
  for (const path of filesIn(join(corpora, 'dicom'), /\.(?:dcm|dicom)$|\/[^./]+$/)) {
    dicom.push(readFileSync(path).subarray(0, MOST));
  }
  return { hl7v2, fhir, dicom };
}

function filesIn(folder, pattern) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .filter((path) => pattern.test(path))
    .toSorted();
}
