// Writes what is generated of the HL7 v2 documents:
//   docs/hl7v2-differences.md   from test/support/cdc/differences.json, the differences that test/unit/normalize/hl7v2/cdc.test.ts accepts
// `node tools/hl7v2-docs.js` writes them; a test compares them with what is committed.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';

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
or A31. Seven messages that we refuse are mended first: OBR-4 is missing in four, OBR-25 is no status in three.

\`*\` stands for anything; of two rows that fit, the first holds. *theirs*: an element that only they have; *ours*: that only we have.

${topics.map(topicSection).join('\n')}`);
}

function topicSection({ topic, differences }) {
  const rows = differences.map(({ element, side, count, theirs, ours, because }) =>
    row([`\`${element}\``, side === 'both' ? 'differs' : side, count, theirs, ours, because]),
  );
  return `## ${topic}\n\n${row(['element', '', 'times', 'theirs', 'ours', 'because'])}\n${row(Array(6).fill('---'))}\n${rows.join('\n')}\n`;
}

function row(cells) {
  return `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`;
}

/** As \`npm run format\` would leave it. */
async function tidy(text) {
  return format(text, { ...(await resolveConfig(new URL('docs/any.md', root))), parser: 'markdown' });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(new URL('docs/hl7v2-differences.md', root), await differencesDocument());
}
