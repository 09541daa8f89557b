// Writes what is generated of the HL7 v2 documents:
//   docs/hl7v2-differences.md   from test/support/cdc/differences.json, the differences that test/unit/normalize/hl7v2/cdc.test.ts accepts
//   docs/hl7v2-fields.md        from the code itself (hl7v2-fields.js): which field goes where, for each kind of message
// `node tools/hl7v2-docs.js` writes them; a test compares them with what is committed.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { build } from '../bin/build.js';
import { fieldTables } from './hl7v2-fields.js';

const root = new URL('../', import.meta.url);

/** docs/hl7v2-differences.md as it should be. */
export async function differencesDocument() {
  const topics = JSON.parse(readFileSync(new URL('test/support/cdc/differences.json', root), 'utf8'));
  const total = topics.flatMap(({ differences }) => differences).reduce((sum, { count }) => sum + count, 0);
  return tidy(`# HL7 v2: differences from the examples of the CDC

<!-- Written by tools/hl7v2-docs.js from test/support/cdc/differences.json. -->

The CDC publishes 88 pairs of an HL7 v2 message and the Bundle that it becomes (prime-reportstream, CC0). A test reads all of them, leaves
their private extensions out, and compares every element with what \`anamnesis convert\` gives, in both directions. Each of the ${total}
places where the two do not agree is one of these rows, as often as the row says; any other fails the test. CDC's side is a strong hint, not the
truth: where the official tables of the v2-to-FHIR guide, R4 or the message itself say otherwise, they are followed.

Read as equal: times of one moment in another form; one resource for a thing or one for each mention of it; a PractitionerRole that is
nothing but its practitioner; a resource without content and none; the display text of a reference. Messages of PID and PV1 alone are read as ADT A01
or A31. Twenty-two messages that we refuse, or make nothing of, are mended first: OBR-4 is missing in four, OBX-3 in two, OBR-25
is no status in three; thirteen have no PID.

\`*\` stands for anything; of two rows that fit, the first holds. *theirs*: an element that only they have; *ours*: that only we have.

${topics.map(topicSection).join('\n')}`);
}

function topicSection({ topic, differences }) {
  const rows = differences.map(({ element, side, count, theirs, ours, because }) =>
    row([`\`${element}\``, side === 'both' ? 'differs' : side, count, theirs, ours, because]),
  );
  return `## ${topic}\n\n${row(['element', '', 'times', 'theirs', 'ours', 'because'])}\n${row(Array(6).fill('---'))}\n${rows.join('\n')}\n`;
}

/** docs/hl7v2-fields.md as it should be; `product` as in hl7v2-fields.js. */
export async function fieldsDocument(product) {
  const known = new Map();
  const kinds = fieldTables(product).map((kind) => kindSection(kind, known));
  return tidy(`# HL7 v2: which field goes where

<!-- Written by tools/hl7v2-docs.js, which asks the code. -->

Made by filling each field of a message of each kind in turn and looking at what changes: what stands here is what the code does. Fields
are those of versions 2.5.1 and 2.7.1. How a value is read, and what an event says beyond its fields, is in [hl7v2.md](hl7v2.md),
[hl7v2-messages.md](hl7v2-messages.md) and [hl7v2-orders.md](hl7v2-orders.md).

Not mapped: kept in the sealed message, searchable nowhere; \`anamnesis convert --report\` counts segments of which nothing was made. MSH-1, 2, 9, 12 and
18 say how to read the message, MSH-7 orders it among others of its source, MSH-10 tells it from them. *(known by)*: the field tells one
resource from another. *(order)*: it decides which of two statements is the newer one. *(whether ...)*: it decides that there is such a resource. An extension is named in
brackets. A bare type is a resource that the field makes or refers to. Events of a type that are not named here read the same segments.

${kinds.join('\n')}`);
}

function kindSection({ title, segments }, known) {
  const rows = [];
  const same = new Map();
  const silent = [];
  for (const segment of segments) {
    const { id, behind, mapped, unmapped } = segment;
    const name = behind === '' ? id : `${id} behind ${behind}`;
    if (mapped.length === 0) {
      silent.push(name);
      continue;
    }
    const content = JSON.stringify([mapped, unmapped]);
    const before = known.get(`${id} ${content}`);
    if (before === undefined) known.set(`${id} ${content}`, title);
    if (before === undefined || before === title) rows.push(line(name, mapped, unmapped));
    else same.set(before, [...(same.get(before) ?? []), name]);
  }
  const list = rows.length === 0 ? '' : `${rows.join('\n')}\n\n`;
  const others = [...same].map(([before, names]) => `As in ${before}: ${names.join(', ')}.\n`).join('\n');
  const nothing = silent.length === 0 ? '' : `\nNothing is made of: ${silent.join(', ')}.\n`;
  return `## ${title}\n\n${list}${others}${nothing}`;
}

function line(name, mapped, unmapped) {
  return `- ${name}: ${mappedText(mapped)}.${unmapped.length === 0 ? '' : ` Not mapped: ${ranges(unmapped)}.`}`;
}

/** Fields that go to the same elements stand together. */
function mappedText(mapped) {
  const fields = new Map();
  for (const { field, elements } of mapped) {
    const text = elements.join(', ');
    fields.set(text, [...(fields.get(text) ?? []), field]);
  }
  return [...fields].map(([text, numbers]) => `**${ranges(numbers)}** ${text}`).join('; ');
}

/** `1, 3 to 5`. */
function ranges(numbers) {
  const found = [];
  for (const number of numbers) {
    const last = found.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else found.push([number, number]);
  }
  return found
    .map(([from, to]) => (from === to ? `${from}` : to === from + 1 ? `${from}, ${to}` : `${from} to ${to}`))
    .join(', ');
}

function row(cells) {
  return `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`;
}

/** As \`npm run format\` would leave it. */
async function tidy(text) {
  return format(text, { ...(await resolveConfig(new URL('docs/any.md', root))), parser: 'markdown' });
}

/** What hl7v2-fields.js asks, from the modules of the product: parse, normalise, render, and the FHIR definitions. */
export function productOf({
  parseHl7v2,
  normalizeHl7v2,
  makeSourceProfile,
  parseMessageDetails,
  renderMessageHeader,
  renderProvenance,
  elementsOf,
  STRUCTURES,
}) {
  const source = makeSourceProfile({
    name: 'docs',
    charset: 'UNICODE UTF-8',
    assigner: 'https://hospital.example/ids',
  });
  const receivedAt = Date.parse('2026-06-01T12:00:00Z');
  return {
    normalize(text, onRead) {
      const message = parseHl7v2(Buffer.from(text), source);
      const segments =
        onRead === undefined ? message.segments : message.segments.map((segment, i) => watched(segment, i, onRead));
      return normalizeHl7v2({ ...message, segments, msh: segments[0] }, source, receivedAt);
    },
    rendered(details) {
      const message = {
        id: 'm',
        origin: 'gateway.example',
        leaf: 0,
        kind: 'hl7v2',
        source: 'docs',
        receivedAt,
        message: parseMessageDetails(details),
        produced: [],
      };
      return [renderMessageHeader(message) ?? {}, renderProvenance(message)];
    },
    elementsOf,
    takes(type) {
      const [code, event] = type.split('^');
      return STRUCTURES[code]?.[event] !== undefined;
    },
  };
}

function watched(segment, number, onRead) {
  const { id, text } = segment;
  const field = (n) => {
    onRead(number, n);
    return segment.field(n);
  };
  return { id, text, field };
}

async function builtProduct() {
  build();
  const paths = [
    'formats/hl7v2/message',
    'normalize/hl7v2/normalize',
    'normalize/hl7v2/source-profile',
    'normalize/hl7v2/structures',
    'audit/message-details',
    'audit/message-header',
    'audit/provenance',
    'formats/fhir/definitions',
  ];
  const modules = await Promise.all(paths.map((path) => import(new URL(`dist/${path}.js`, root).href)));
  return productOf(Object.assign({}, ...modules));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(new URL('docs/hl7v2-differences.md', root), await differencesDocument());
  writeFileSync(new URL('docs/hl7v2-fields.md', root), await fieldsDocument(await builtProduct()));
}
