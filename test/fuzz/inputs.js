// Input number n of a run: its kind and its bytes, from the seed and the number alone.
import { damageHl7v2 } from './mutate-hl7v2.js';
import { damageBytes, damageJson } from './mutate-json.js';
import { randomOf } from './random.js';

/** Shares of a hundred. */
const KINDS = [
  ['hl7v2', 72],
  ['mllp', 10],
  ['fhir', 12],
  ['dicom', 4],
  ['pdu', 2],
];

/** `{ kind, bytes, random }`; `random` goes on where the input ended, for whatever else the target has to choose. */
export function inputOf(seed, index, seeds, associations) {
  const random = randomOf(seed, index);
  let share = random.below(100);
  const [kind] = KINDS.find(([, size]) => (share -= size) < 0);
  return { kind, bytes: bytesOf(kind, random, seeds, associations), random };
}

function bytesOf(kind, random, seeds, associations) {
  const message = () => damageHl7v2(random.pick(seeds.hl7v2), random, seeds.hl7v2);
  switch (kind) {
    case 'hl7v2':
      return Buffer.from(message(), 'latin1');
    case 'mllp':
      return Buffer.from(
        Array.from({ length: random.few(4) }, () => `${frameStart(random)}${message()}${frameEnd(random)}`).join(''),
        'latin1',
      );
    case 'fhir':
      return damageJson(random.pick(seeds.fhir), random);
    case 'dicom':
      return damageBytes(random.pick(seeds.dicom), random);
    default:
      return damageBytes(random.pick(associations), random);
  }
}

const frameStart = (random) =>
  random.chance(80) ? '\x0b' : random.pick(['', '\x0b\x0b', '\0\0\x0b', 'noise\x0b', '\x1c\x0b']);
const frameEnd = (random) =>
  random.chance(80) ? '\x1c\r' : random.pick(['', '\x1c', '\r', '\x1c\x1c\r', '\x1c\r\n\0', '\x0b']);
