/**
 * What a message only read while it was prepared must still stand when it is committed (DESIGN section 3): statements of one source
 * that are on their way at once, over two connections or processes, end as they would one after the other.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Change } from '../../../src/formats/fhir/change.ts';
import type { Submission } from '../../../src/write/submission.ts';
import { openTestWriter, type TestWriter } from '../../support/writer.ts';

let first: TestWriter;
let second: TestWriter;
let thread: TestWriter;
beforeAll(async () => {
  first = await openTestWriter();
  second = await openTestWriter({ database: first.database, keys: first.keys });
  thread = await openTestWriter({ database: first.database, keys: first.keys, packed: true });
});
afterAll(async () => {
  await thread.close();
  await second.close();
  await first.close();
});

const AT = 1_700_000_000_000;
let serial = 0;

function result(value: number, minute: number, order: string): Submission {
  serial += 1;
  const patient: Change = {
    mode: 'merge',
    type: 'Patient',
    keys: [['identifier', 'urn:mrn', order]],
    sourceTime: AT + minute * 60_000,
    set: { resourceType: 'Patient', name: [{ family: 'Poe' }] },
  };
  const observation: Change = {
    mode: 'merge',
    type: 'Observation',
    keys: [['filler', 'lab', order]],
    sourceTime: AT + minute * 60_000,
    set: {
      resourceType: 'Observation',
      status: 'final',
      code: { text: 'x' },
      subject: { reference: 'change:0' },
      valueQuantity: { value },
    },
  };
  return {
    kind: 'hl7v2',
    source: 'lab',
    control: `M${serial}`,
    raw: { bytes: Buffer.from(`message ${serial}`), contentType: 'x-application/hl7-v2+er7' },
    changes: [patient, observation],
    receivedAt: AT + 3_600_000,
    sourceTime: AT + minute * 60_000,
    details: {},
  };
}

/** Submits `late`; when it is prepared, and before it is committed, `meanwhile` is submitted and committed. */
async function overtaken(writer: TestWriter, late: Submission, meanwhile: () => Promise<unknown>): Promise<void> {
  let waited = false;
  await writer.writer.submit({
    ...late,
    authorize: async () => {
      if (waited) return;
      waited = true;
      await meanwhile();
    },
  });
}

async function valueOf(order: string): Promise<unknown> {
  // A statement older than all others reads what stands and changes nothing.
  const { results } = await first.writer.submit(result(0, -1, order));
  return results[1].resource?.valueQuantity;
}

const PLACES: readonly [string, () => TestWriter, () => TestWriter][] = [
  ['one process', () => first, () => first],
  ['another process', () => first, () => second],
  ['an intake thread', () => thread, () => second],
];

it.each(PLACES)(
  'an older statement does not overwrite what was said again meanwhile (%s)',
  async (name, one, other) => {
    const order = `older ${name}`;
    await first.writer.submit(result(1, 0, order));
    await overtaken(one(), result(2, 1, order), () => other().writer.submit(result(1, 2, order)));
    expect(await valueOf(order)).toEqual({ value: 1 });
  },
);

it.each(PLACES)(
  'what is said again is the newer one, also when an older statement changes it meanwhile (%s)',
  async (name, one, other) => {
    const order = `newer ${name}`;
    await first.writer.submit(result(1, 0, order));
    await overtaken(one(), result(1, 2, order), () => other().writer.submit(result(2, 1, order)));
    expect(await valueOf(order)).toEqual({ value: 1 });
  },
);

/** A visit, said to be of a patient, and of which other it was before; a result of that visit as laboratories send it. */
function visit(of: string, was?: string): Submission {
  const { changes, ...message } = result(0, 0, of);
  const [patient] = changes;
  const encounter: Change = {
    mode: 'merge',
    type: 'Encounter',
    keys: [['visit', 'V1']],
    sourceTime: AT + serial,
    set: { resourceType: 'Encounter', status: 'finished', class: { code: 'AMB' }, subject: { reference: 'change:0' } },
    ...(was !== undefined && { movedFrom: 1 }),
  };
  const before = was === undefined ? [] : [result(0, 0, was).changes[0]];
  return { ...message, changes: [patient, ...before, encounter] };
}

it.each(PLACES)(
  'a result is not filed by a visit that is moved to another patient meanwhile (%s)',
  async (name, one, other) => {
    const [wrong, right] = [`wrong ${name}`, `right ${name}`];
    const known = (submission: Submission): Submission => ({
      ...submission,
      changes: submission.changes.map((change) =>
        change.type === 'Encounter' ? { ...change, keys: [['visit', name]] } : change,
      ),
    });
    await first.writer.submit(known(visit(wrong)));
    await first.writer.submit(result(1, 0, right));
    const late = result(2, 1, wrong);
    const repeated: Change = {
      mode: 'merge',
      type: 'Encounter',
      keys: [['visit', name]],
      sourceTime: AT,
      set: { resourceType: 'Encounter', subject: { reference: 'change:0' } },
    };
    const filed = overtaken(one(), { ...late, changes: [...late.changes, repeated] }, () =>
      other().writer.submit(known(visit(right, wrong))),
    );
    await expect(filed).rejects.toMatchObject({ code: 'business-rule' });
  },
);

it('a source whose clock goes back can still write', async () => {
  const order = 'clock';
  await first.writer.submit(result(1, 0, order));
  await first.writer.submit(result(1, 2, order));
  const again = result(2, 1, order);
  const { results } = await first.writer.submit(result(1, 2, order));
  const { id, ...content } = results[1].resource ?? { id: '', resourceType: 'Observation' };
  const replaced = { mode: 'replace', type: 'Observation', keys: [], sourceTime: AT + 60_000, id } as const;
  const set = { ...content, valueQuantity: { value: 3 } };
  const accepted = await first.writer.submit({ ...again, changes: [{ ...replaced, set }] });
  expect(accepted.results[0].outcome).toBe('updated');
});
