/** Nothing disappears: whatever is well-formed is acknowledged and can be given back byte for byte, converted or not. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SAMPLE_STAY, sampleOru } from '../../../src/cli/samples/hl7v2.ts';
import { systemPermit } from '../../../src/consent/permit.ts';
import type { LeafIndex } from '../../../src/core/ids.ts';
import { parseAck } from '../../../src/formats/hl7v2/ack.ts';
import { acceptHl7v2 } from '../../../src/services/accept-hl7v2.ts';
import { openRaw } from '../../../src/services/raw-message.ts';
import { openMessage } from '../../../src/services/stored-message.ts';
import { messageStore } from '../../../src/storage/pg/message-store.ts';
import { serviceDeps } from '../../support/hl7v2-writer.ts';
import { openTestWriter, type TestWriter } from '../../support/writer.ts';

let database: TestWriter;
beforeAll(async () => {
  database = await openTestWriter();
});
afterAll(() => database.close());

const SEEDS = [...SAMPLE_STAY.map(({ text }) => text), sampleOru(1)].map((text) => text.split('\r').filter(Boolean));

/** What a sender's engine does to a message: segments lost, doubled, moved, emptied; fields blanked or filled; another kind. */
const damage = fc.oneof(
  fc.record({ what: fc.constantFrom('drop', 'double', 'empty', 'first', 'last'), at: fc.nat(40) }),
  fc.record({
    what: fc.constant('field'),
    at: fc.nat(40),
    field: fc.integer({ min: 1, max: 30 }),
    text: fc.constantFrom('', '""', 'x', '99999999', '^^^^', '~~', '\\E\\', '\\X00\\', '&', 'ä'),
  }),
  fc.record({
    what: fc.constant('kind'),
    kind: fc.constantFrom('ADT^A99', 'ZZZ^Z01', 'ADT^A40', 'MDM^T02', 'ADT', ''),
  }),
);
type Damage = typeof damage extends fc.Arbitrary<infer D> ? D : never;

function apply(segments: readonly string[], change: Damage): string[] {
  const [msh, ...rest] = segments;
  if ('kind' in change) return [msh.split('|').with(8, change.kind).join('|'), ...rest];
  const at = rest.length === 0 ? 0 : change.at % rest.length;
  const segment = rest[at] ?? 'NTE|1';
  switch (change.what) {
    case 'drop':
      return [msh, ...rest.toSpliced(at, 1)];
    case 'double':
      return [msh, ...rest.toSpliced(at, 0, segment)];
    case 'empty':
      return [msh, ...rest.toSpliced(at, 1, segment.slice(0, 3))];
    case 'first':
      return [msh, segment, ...rest.toSpliced(at, 1)];
    case 'last':
      return [msh, ...rest.toSpliced(at, 1), segment];
  }
  if (!('field' in change)) return [...segments];
  const fields = segment.split('|');
  while (fields.length <= change.field) fields.push('');
  fields[change.field] = change.text;
  return [msh, ...rest.toSpliced(at, 1, fields.join('|'))];
}

it(
  'property: a damaged message with a good MSH is acknowledged, and kept as it came',
  { timeout: 120_000 },
  async () => {
    const { writer, pool, keyring } = database;
    const messages = messageStore(pool);
    let leaf: LeafIndex | undefined;
    const deps = serviceDeps({
      async submit(submission) {
        const accepted = await writer.submit(submission);
        leaf = accepted.leaf;
        return accepted;
      },
    });
    let kept = 0;
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...SEEDS),
        fc.array(damage, { minLength: 1, maxLength: 4 }),
        async (seed, changes) => {
          run += 1;
          const damaged = changes.reduce<readonly string[]>(apply, seed);
          const msh = damaged[0].split('|').with(9, `N-${run}`).join('|');
          const bytes = Buffer.from(`${[msh, ...damaged.slice(1)].join('\r')}\r`);
          leaf = undefined;
          const [answer] = await acceptHl7v2(deps, bytes);
          const { code, controlId } = parseAck(answer) ?? {};
          if (msh.split('|')[8] === '') {
            expect(code).toBe('AE');
            return;
          }
          expect({ code, controlId }, String(answer)).toEqual({ code: 'AA', controlId: `N-${run}` });
          const opened = leaf === undefined ? undefined : await openMessage({ messages, keyring }, leaf);
          if (leaf === undefined || opened === undefined) throw new Error('not anchored');
          const raw = await openRaw(
            { messages, keyring },
            systemPermit('reprocess'),
            leaf,
            opened.document,
            opened.content,
          );
          expect(raw.bytes.equals(bytes)).toBe(true);
          const isKept = opened.content.quarantine !== undefined;
          expect(String(answer).includes('kept, not converted yet')).toBe(isKept);
          expect(opened.content.groups.length > 0 && isKept).toBe(false);
          if (isKept) kept += 1;
        },
      ),
      { numRuns: 150 },
    );
    expect(kept).toBeGreaterThan(10);
    expect(kept).toBeLessThan(run);
  },
);
