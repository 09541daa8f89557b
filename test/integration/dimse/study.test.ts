/** From C-STORE to ImagingStudy on the real write path: listener, blob store, writer, Postgres, study follower. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  CT_IMAGE_STORAGE,
  SAMPLE_CT,
  sampleCtDataSet,
  sampleCtStudy,
  type SampleCt,
} from '../../../src/cli/samples/dicom.ts';
import { openAssociation, type DicomAssociation } from '../../../src/clients/dicom.ts';
import { systemClock } from '../../../src/core/clock.ts';
import type { LeafIndex } from '../../../src/core/ids.ts';
import { silentLog } from '../../../src/core/log.ts';
import { startStudiesFollower, STUDIES_FOLLOWER, type StudiesFollower } from '../../../src/followers/studies.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../../src/formats/dicom/uid.ts';
import { messagesOfThread } from '../../../src/services/instance-feed.ts';
import { cursorStore, isBlobNamed, threadStore } from '../../../src/storage/pg/follower-store.ts';
import type { Result, Submission, Writer } from '../../../src/write/submission.ts';
import { startDicomGateway, TEST_SOURCE, type DicomGateway } from '../../support/dicom-gateway.ts';
import { openTestWriter, type TestWriter } from '../../support/writer.ts';

const CT = { sopClassUid: CT_IMAGE_STORAGE, transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN };
const NEVER = 1_000_000;

let test: TestWriter;
let gateway: DicomGateway;
let follower: StudiesFollower;
/** What came of each `dicom-study` submission. */
const settled: { submission: Submission; results: readonly Result[] }[] = [];

beforeAll(async () => {
  test = await openTestWriter();
  const writer: Writer = {
    async submit(submission) {
      const accepted = await test.writer.submit(submission);
      if (submission.kind === 'dicom-study') settled.push({ submission, results: accepted.results });
      return accepted;
    },
  };
  gateway = await startDicomGateway({}, undefined, { writer, isBlobNamed: (digest) => isBlobNamed(test.pool, digest) });
  const threads = threadStore(test.pool);
  follower = startStudiesFollower(
    {
      feed: {
        after: (from, limit) => threads.after(from, limit),
        ofThread: (permit, thread, from) => messagesOfThread(threads, test.keyring, permit, thread, from),
      },
      cursors: cursorStore(test.pool),
      writer,
      clock: systemClock,
      log: silentLog,
      source: TEST_SOURCE,
    },
    { pollMs: NEVER, quietMs: NEVER, minIntervalMs: NEVER, maxIntervalMs: NEVER },
  );
});
afterEach(() => {
  settled.length = 0;
});
afterAll(async () => {
  await follower.close();
  await gateway.close();
  await test.close();
});

const associate = (): Promise<DicomAssociation> =>
  openAssociation(
    { host: '127.0.0.1', port: gateway.port, calledAe: 'ANAMNESIS', callingAe: 'TEST', timeoutMs: 20_000 },
    [CT],
  );
const store = async (association: DicomAssociation, ct: SampleCt): Promise<number> =>
  (await association.store({ ...CT, sopInstanceUid: ct.sopInstanceUid, dataSet: [sampleCtDataSet(ct)] })).status;

async function sendAll(samples: readonly SampleCt[]): Promise<number[]> {
  const association = await associate();
  const statuses: number[] = [];
  for (const ct of samples) statuses.push(await store(association, ct));
  await association.release();
  return statuses;
}

describe('a study on the real write path', () => {
  it('becomes one Patient and one ImagingStudy, and grows by a second association', async () => {
    const samples = sampleCtStudy(8);
    expect(new Set(await sendAll(samples.slice(0, 5)))).toEqual(new Set([0]));
    await follower.settleAll();
    expect(settled).toHaveLength(1);
    const [patient, study] = settled[0].results;
    expect(patient).toMatchObject({
      outcome: 'created',
      resource: { resourceType: 'Patient', name: [{ family: 'Beispiel', given: ['Berta'] }] },
    });
    expect(study).toMatchObject({
      outcome: 'created',
      resource: {
        resourceType: 'ImagingStudy',
        subject: { reference: `Patient/${patient.id}` },
        numberOfInstances: 5,
        started: '2025-03-12T10:15:00+01:00',
      },
    });

    await sendAll(samples);
    await follower.settleAll();
    expect(settled).toHaveLength(2);
    const [same, grown] = settled[1].results;
    expect(same).toMatchObject({ outcome: 'unchanged', id: patient.id });
    expect(grown).toMatchObject({
      outcome: 'updated',
      id: study.id,
      versionId: '2',
      resource: { numberOfInstances: 8, numberOfSeries: 1 },
    });
  });

  it('changes nothing when the follower is reset and runs again', async () => {
    await follower.settleAll();
    await cursorStore(test.pool).save(STUDIES_FOLLOWER, 0 as LeafIndex);
    const threads = threadStore(test.pool);
    const again = startStudiesFollower(
      {
        feed: {
          after: (from, limit) => threads.after(from, limit),
          ofThread: (permit, thread, from) => messagesOfThread(threads, test.keyring, permit, thread, from),
        },
        cursors: cursorStore(test.pool),
        writer: {
          async submit(submission) {
            const accepted = await test.writer.submit(submission);
            settled.push({ submission, results: accepted.results });
            return accepted;
          },
        },
        clock: systemClock,
        log: silentLog,
        source: TEST_SOURCE,
      },
      { pollMs: NEVER, quietMs: NEVER, minIntervalMs: NEVER, maxIntervalMs: NEVER },
    );
    await again.settleAll();
    await again.close();
    expect(settled.flatMap(({ results }) => results.map((result) => result.outcome))).toEqual([
      'unchanged',
      'unchanged',
    ]);
    expect(await cursorStore(test.pool).load(STUDIES_FOLLOWER)).toBeGreaterThan(0);
  });

  it('answers one of two senders of the same UID with other content 0111, however they race', async () => {
    const [one, other] = await Promise.all([associate(), associate()]);
    for (let n = 0; n < 15; n += 1) {
      const ct = { ...SAMPLE_CT, studyInstanceUid: '1.2.77', sopInstanceUid: `1.2.77.${n}` };
      const statuses = await Promise.all([store(one, ct), store(other, { ...ct, patientName: 'Someone^Else' })]);
      expect(statuses.toSorted((a, b) => a - b)).toEqual([0, 0x0111]);
    }
    await one.release();
    await other.release();
  });

  it('answers both of two senders of the same object 0000 and keeps one blob', async () => {
    const [one, other] = await Promise.all([associate(), associate()]);
    const before = (await gateway.stored()).length;
    for (let n = 0; n < 15; n += 1) {
      const ct = { ...SAMPLE_CT, studyInstanceUid: '1.2.78', sopInstanceUid: `1.2.78.${n}` };
      expect(await Promise.all([store(one, ct), store(other, ct)])).toEqual([0, 0]);
    }
    expect((await gateway.stored()).length).toBe(before + 15);
    await one.release();
    await other.release();
  });

  it('refuses to give a study to another patient, and keeps the objects', async () => {
    const study = '1.2.79';
    const ct = { ...SAMPLE_CT, studyInstanceUid: study };
    expect(await sendAll([{ ...ct, sopInstanceUid: '1.2.79.1' }])).toEqual([0]);
    await follower.settleAll();
    settled.length = 0;
    expect(await sendAll([{ ...ct, sopInstanceUid: '1.2.79.2', patientId: 'DEMO-2002' }])).toEqual([0]);
    await follower.settleAll();
    const outcomes = settled.flatMap(({ results }) =>
      results.map(({ type, outcome, resource }) => [type, outcome, resource?.numberOfInstances]),
    );
    expect(outcomes.filter(([type]) => type === 'ImagingStudy')).toEqual([['ImagingStudy', 'unchanged', 1]]);
  });

  it('settles 2,000 instances with one version under the size of a record', async () => {
    const association = await associate();
    for (let n = 1; n <= 2_000; n += 1) {
      const ct = {
        ...SAMPLE_CT,
        studyInstanceUid: '1.2.80',
        sopInstanceUid: `1.2.80.1.${n}`,
        instanceNumber: n,
        pixels: 1,
      };
      expect(await store(association, ct)).toBe(0);
    }
    await association.release();
    await follower.settleAll();
    const [study] = settled.filter(({ submission }) => submission.changes[1]?.keys[0]?.[2] === 'urn:oid:1.2.80');
    expect(study.results[1]).toMatchObject({ outcome: 'created', resource: { numberOfInstances: 2_000 } });
    expect(Buffer.byteLength(JSON.stringify(study.results[1].resource))).toBeLessThan(205_000);
  });
});
