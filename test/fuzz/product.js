// The parts of the product that read what comes from outside, from `dist` (as it is shipped) or from `src` (under vitest).

const MODULES = {
  message: 'formats/hl7v2/message',
  batch: 'formats/hl7v2/batch',
  ack: 'formats/hl7v2/ack',
  frame: 'formats/hl7v2/mllp-frame',
  normalize: 'normalize/hl7v2/normalize',
  profile: 'normalize/hl7v2/source-profile',
  convert: 'services/convert-hl7v2',
  submitted: 'services/check-submitted',
  transaction: 'services/parse-transaction',
  json: 'formats/fhir/json',
  validate: 'formats/fhir/validate',
  references: 'formats/fhir/references',
  labels: 'labels/labels-of',
  extract: 'search/extract',
  consent: 'consent/parse-consent',
  pduDecoder: 'formats/dicom/pdu-decoder',
  pdu: 'formats/dicom/pdu',
  command: 'formats/dicom/command',
  header: 'formats/dicom/header',
  part10: 'formats/dicom/part10',
  errors: 'core/errors',
  random: 'core/random',
  samplesHl7v2: 'cli/samples/hl7v2',
  samplesFhir: 'cli/samples/fhir',
  samplesDicom: 'cli/samples/dicom',
};

/** Loads them from a folder (a URL that ends in a slash); `extension` is `.js` or `.ts`. */
export async function loadProduct(folder, extension) {
  const loaded = await Promise.all(
    Object.entries(MODULES).map(async ([name, path]) => [name, await import(new URL(path + extension, folder).href)]),
  );
  return Object.fromEntries(loaded);
}
