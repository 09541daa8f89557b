import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GatewayError, type ErrorCode } from '../../../src/core/errors.ts';
import type { LeafIndex } from '../../../src/core/ids.ts';
import { systemRandom } from '../../../src/core/random.ts';
import type { Change, MergeChange } from '../../../src/formats/fhir/change.ts';
import type { BlobStore } from '../../../src/record/blob-store.ts';
import { movingDocuments } from '../../../src/services/move-documents.ts';
import { openFileBlobStore } from '../../../src/storage/blobs/fs.ts';
import type { Accepted, Result, Submission, Writer } from '../../../src/write/submission.ts';

const DATA = randomBytes(100_000).toString('base64');

let folder: string;
let blobs: BlobStore;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'anamnesis-blobs-'));
  blobs = await openFileBlobStore(folder);
});
afterAll(() => rm(folder, { recursive: true }));
beforeEach(async () => {
  for await (const { digest } of blobs.list()) await blobs.remove(digest);
});

async function stored(): Promise<number> {
  let count = 0;
  for await (const _ of blobs.list()) count += 1;
  return count;
}

const PATIENT: Change = {
  mode: 'merge',
  type: 'Patient',
  keys: [['identifier', 'urn:mrn', '1']],
  sourceTime: 1,
  set: { resourceType: 'Patient' },
};
const document = (attachment: object, extra: object = {}): MergeChange => ({
  mode: 'merge',
  type: 'DocumentReference',
  keys: [['document', '1']],
  sourceTime: 1,
  set: { resourceType: 'DocumentReference', subject: { reference: 'change:0' }, content: [{ attachment }], ...extra },
});

interface Outcome {
  readonly submissions: Submission[];
  readonly accepted: Accepted;
}

/** Submits through the step to a writer that keeps what it was given, answers, and says what became of each change. */
async function submit(
  changes: readonly Change[],
  outcome: Result['outcome'] | ErrorCode | 'replay' = 'created',
  named = false,
): Promise<Outcome> {
  const submissions: Submission[] = [];
  const writer: Writer = {
    async submit(submission) {
      submissions.push(submission);
      const results = submission.changes.map(({ type }) => ({ outcome, type }) as unknown as Result);
      if (outcome === 'replay') return { leaf: 1 as LeafIndex, replayed: true, answer: 'again', results: [] };
      if (outcome !== 'created' && outcome !== 'unchanged') throw new GatewayError(outcome as ErrorCode, 'no');
      await submission.authorize?.(submission.changes.map(({ type }) => ({ type }) as never));
      return { leaf: 1 as LeafIndex, replayed: false, answer: submission.answer?.(results), results };
    },
  };
  const moving = movingDocuments({ blobs, random: systemRandom, isBlobNamed: async () => named }, writer);
  const accepted = await moving.submit({
    kind: 'hl7v2',
    source: 'test',
    changes,
    receivedAt: 1,
    sourceTime: 1,
    details: {},
    answer: (results) => results.map(({ type }) => type).join(' '),
    authorize: async (targets) => {
      expect(targets.map(({ type }) => type)).not.toContain('BinaryContent');
    },
  });
  return { submissions, accepted };
}

describe('a large document', () => {
  it('is sealed, and its attachment refers to a Binary of the patient with the labels of the record', async () => {
    const { submissions, accepted } = await submit([
      PATIENT,
      document(
        { contentType: 'application/pdf', title: 't', data: DATA },
        { type: { coding: [{ system: 'http://loinc.org', code: '75622-1' }] } },
      ),
    ]);
    const [{ changes, blobs: references }] = submissions;
    expect(changes.map(({ type }) => type)).toEqual(['Patient', 'DocumentReference', 'BinaryContent', 'Binary']);
    const [, parent, content, binary] = changes as MergeChange[];
    expect(parent.set.content).toEqual([
      {
        attachment: {
          contentType: 'application/pdf',
          title: 't',
          url: 'change:3',
          size: 100_000,
          hash: expect.stringMatching(/^[\w+/]{27}=$/),
        },
      },
    ]);
    expect(binary.initial).toMatchObject({
      contentType: 'application/pdf',
      securityContext: { reference: 'change:0' },
    });
    for (const { set } of [content, binary]) {
      expect(set.meta?.security?.map(({ code }) => code)).toContain('HIV');
    }
    expect(references).toEqual([{ digest: expect.any(Buffer), size: expect.any(Number), change: 2 }]);
    expect(await stored()).toBe(1);
    // The sender hears of its own changes alone.
    expect(accepted.results.map(({ type }) => type)).toEqual(['Patient', 'DocumentReference']);
    expect(accepted.answer).toBe('Patient DocumentReference');
  });

  it('has the same keys when it comes again, and others for another patient', async () => {
    const keys = async (patient: Change): Promise<unknown> => {
      const { submissions } = await submit([patient, document({ data: DATA })]);
      return submissions[0].changes.slice(2).map((change) => change.keys);
    };
    expect(await keys(PATIENT)).toEqual(await keys(PATIENT));
    const other: Change = { ...PATIENT, keys: [['identifier', 'urn:mrn', '2']] };
    expect(await keys(other)).not.toEqual(await keys(PATIENT));
    const nobody: Change = { ...PATIENT, keys: [] };
    expect(await keys(nobody)).not.toEqual(await keys(nobody));
  });

  it.each([
    ['replay', 0],
    ['unchanged', 0],
    ['business-rule', 0],
    ['busy', 0],
    ['unavailable', 1],
    ['internal', 1],
  ] as const)('after %s: %i blobs are left', async (outcome, left) => {
    await submit([PATIENT, document({ data: DATA })], outcome).catch((error: unknown) => {
      if (!(error instanceof GatewayError)) throw error;
    });
    expect(await stored()).toBe(left);
  });

  it('is never removed once a manifest names it', async () => {
    await submit([PATIENT, document({ data: DATA })], 'unchanged', true);
    expect(await stored()).toBe(1);
  });
});

describe('what stays as it is', () => {
  it.each([
    ['a small document', document({ data: DATA.slice(0, 60_000) })],
    ['samples of a curve', document({ data: DATA, origin: { value: 1 }, period: 1, dimensions: 1 })],
    ['a signature', document({ data: DATA, when: '2026-01-01', who: {} })],
    [
      'the photo of a practitioner',
      {
        ...document({ data: DATA }),
        type: 'Practitioner',
        set: { resourceType: 'Practitioner', photo: [{ data: DATA }] },
      },
    ],
  ])('%s', async (_what, change: any) => {
    const { submissions } = await submit([PATIENT, change]);
    expect(submissions[0].changes).toEqual([PATIENT, change]);
    expect(await stored()).toBe(0);
  });

  it('but many documents of middle size leave the resource together', async () => {
    const content = Array.from({ length: 8 }, (_, i) => ({
      attachment: { title: `${i}`, data: DATA.slice(0, 40_000 + i * 4) },
    }));
    const { submissions } = await submit([PATIENT, document({}, { content })]);
    expect(submissions[0].blobs).toHaveLength(8);
  });
});
