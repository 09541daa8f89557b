// `npm run bench:hl7v2`: the pure steps of HL7 v2 intake on one core. Reading: a result of 15 segments is tokenized and 74 values
// are read of it; beside it the same values by bare String.split without decoding checks, escapes or delimiters of the message's
// own. Converting: bytes to Changes, and beside it the same message only tokenized. Prints a table; `--json FILE` keeps the figures.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { sampleOru } from '../dist/cli/samples/hl7v2.js';
import { components } from '../dist/formats/hl7v2/delimiters.js';
import { parseHl7v2 } from '../dist/formats/hl7v2/message.js';
import { normalizeHl7v2 } from '../dist/normalize/hl7v2/normalize.js';
import { makeSourceProfile } from '../dist/normalize/hl7v2/source-profile.js';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '3' }, json: { type: 'string' } } });
const seconds = Number(values.seconds);
const profile = makeSourceProfile({ name: 'bench', charset: 'UNICODE UTF-8', assigner: 'urn:bench' });
const messages = Array.from({ length: 64 }, (_, n) => Buffer.from(sampleOru(n)));

/** 74 values: the same places in every segment, components of those that have some. */
const PLACES = {
  MSH: [3, 4, 7, 9, 10, 12],
  PID: [3, 5, 7, 8, 11, 13],
  PV1: [2, 3, 7, 19],
  ORC: [1, 2, 3, 12],
  OBR: [2, 3, 4, 7, 16, 25],
  OBX: [2, 3, 5, 6, 7],
  NTE: [1, 3],
};
const COMPOUND = new Set(['PID-3', 'PID-5', 'OBR-4', 'OBX-3']);
const WANTED = 74;

function readTokenized(bytes) {
  const message = parseHl7v2(bytes, profile);
  let read = 0;
  let length = 0;
  for (const segment of message.segments) {
    for (const n of PLACES[segment.id] ?? []) {
      const field = segment.field(n);
      length += COMPOUND.has(`${segment.id}-${n}`) ? components(field, message.delimiters).length : field.length;
      if (++read === WANTED) return length;
    }
  }
  return length;
}

function readSplit(bytes) {
  let read = 0;
  let length = 0;
  for (const line of bytes.toString().split('\r')) {
    const fields = line.split('|');
    const id = fields[0];
    for (const n of PLACES[id] ?? []) {
      const field = fields[id === 'MSH' ? n - 1 : n] ?? '';
      length += COMPOUND.has(`${id}-${n}`) ? field.split('^').length : field.length;
      if (++read === WANTED) return length;
    }
  }
  return length;
}

const convert = (bytes) => normalizeHl7v2(parseHl7v2(bytes, profile), profile, 1_760_000_000_000);

/** Messages a second that a step has to reach; 0: it is there to be compared with. */
const STEPS = [
  { what: 'tokenize, 74 values read', step: readTokenized, bar: 40_000 },
  { what: 'the same by String.split', step: readSplit, bar: 0 },
  { what: 'convert to Changes', step: convert, bar: 4_000 },
];

/** Messages a second of processor time: the best of five parts. */
function rateOf(step) {
  let best = 0;
  for (let part = 0; part < 5; part += 1) {
    const from = process.cpuUsage();
    const end = performance.now() + (seconds * 1000) / 5;
    let count = 0;
    while (performance.now() < end) {
      for (const bytes of messages) step(bytes);
      count += messages.length;
    }
    const { user, system } = process.cpuUsage(from);
    best = Math.max(best, (count * 1e6) / (user + system));
  }
  return best;
}

const figures = STEPS.map(({ what, step, bar }) => {
  rateOf(step);
  const perSecond = Math.round(rateOf(step));
  return { what, perSecond, ...(bar > 0 && { bar, met: perSecond >= bar }) };
});
for (const { what, perSecond, bar, met } of figures) {
  const verdict = bar === undefined ? '' : `  >= ${String(bar)}  ${met ? 'met' : 'MISSED'}`;
  console.log(`${what.padEnd(28)}${String(perSecond).padStart(9)} messages/s of one core${verdict}`);
}
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify({ at: new Date().toISOString(), figures }, undefined, 2)}\n`);
