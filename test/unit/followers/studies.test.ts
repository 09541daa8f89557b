import { afterEach, describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import { silentLog } from '../../../src/core/log.ts';
import { startStudiesFollower, type StudiesFollower } from '../../../src/followers/studies.ts';
import { encodeInstance, studyThread, type InstanceDocument } from '../../../src/normalize/dicom/instance.ts';
import type { DicomSource } from '../../../src/normalize/dicom/source.ts';
import type { Submission } from '../../../src/write/submission.ts';
import { fakeLedger, type FakeLedger } from '../../support/fake-dicom-writer.ts';

const source: DicomSource = {
  name: 'dicom',
  profile: { assigner: 'urn:x:ids', namespaces: {}, zone: undefined },
  fallbackCharacterSet: undefined,
};
/** Nothing happens by time in these tests, only by `settleAll` and `wake`. */
const NEVER = 1_000_000;
const still = { pollMs: NEVER, quietMs: NEVER, minIntervalMs: 1_000, maxIntervalMs: 60_000 };

async function addInstances(
  ledger: FakeLedger,
  study: string,
  from: number,
  count: number,
  patient = '4711',
): Promise<void> {
  for (let n = from; n < from + count; n += 1) {
    const document: InstanceDocument = {
      sopClassUid: '1.2.840.10008.5.1.4.1.1.2',
      sopInstanceUid: `${study}.1.${n}`,
      studyInstanceUid: study,
      seriesInstanceUid: `${study}.1`,
      transferSyntaxUid: '1.2.840.10008.1.2.1',
      attributes: { PatientID: patient, Modality: 'CT' },
      unreadable: [],
      receivedAt: n,
      blob: { digest: Buffer.alloc(32), size: 1, key: Buffer.alloc(32), dataSetOffset: 0, dataSetSize: 1 },
    };
    await ledger.writer.submit({
      kind: 'dicom-instance',
      source: 'dicom',
      control: document.sopInstanceUid,
      content: Buffer.from(document.sopInstanceUid),
      uniqueControl: true,
      thread: studyThread(study),
      raw: { bytes: encodeInstance(document), contentType: 'application/json' },
      changes: [],
      receivedAt: n,
      sourceTime: n,
      details: {},
    });
  }
}

const settled = (ledger: FakeLedger): Submission[] => ledger.submissions.filter(({ kind }) => kind === 'dicom-study');
const countOf = (submission: Submission | undefined): unknown =>
  submission?.changes[1]?.mode === 'merge' && submission.changes[1].set.numberOfInstances;

describe('study follower', () => {
  let follower: StudiesFollower | undefined;
  let now = 0;
  const start = (ledger: FakeLedger, over: Partial<FakeLedger> = {}): StudiesFollower => {
    const { feed, cursors, writer } = { ...ledger, ...over };
    follower = startStudiesFollower(
      { feed, cursors, writer, clock: { now: () => now }, log: silentLog, source },
      still,
    );
    return follower;
  };
  afterEach(() => follower?.close());

  it('settles each study once with all of its instances and moves its cursor', async () => {
    const ledger = fakeLedger();
    await addInstances(ledger, '1.1', 1, 3);
    await addInstances(ledger, '1.2', 1, 2);
    await addInstances(ledger, '1.1', 4, 1);
    await start(ledger).settleAll();
    expect(settled(ledger).map(countOf)).toEqual([4, 2]);
    expect(ledger.cursor()).toBe(6);
    await follower?.settleAll();
    expect(settled(ledger)).toHaveLength(2);
  });

  it('adds to a study that it has settled before, also in another process', async () => {
    const ledger = fakeLedger();
    await addInstances(ledger, '1.1', 1, 3);
    await start(ledger).settleAll();
    await addInstances(ledger, '1.1', 4, 2);
    await follower?.settleAll();
    await follower?.close();
    await addInstances(ledger, '1.1', 6, 1);
    await start(ledger).settleAll();
    expect(settled(ledger).map(countOf)).toEqual([3, 5, 6]);
  });

  it('comes to the same study when it is reset and run again', async () => {
    const ledger = fakeLedger();
    await addInstances(ledger, '1.1', 1, 5);
    await start(ledger).settleAll();
    await follower?.close();
    await ledger.cursors.save('studies', 0 as never);
    await start(ledger).settleAll();
    const [first, second] = settled(ledger);
    expect(second?.changes).toEqual(first?.changes);
    expect(second?.sourceTime).toBe(first?.sourceTime);
  });

  it('keeps its cursor behind a study that cannot be written, settles the others, and tries again', async () => {
    const ledger = fakeLedger();
    await addInstances(ledger, '1.1', 1, 1);
    await addInstances(ledger, '1.2', 1, 1);
    let refuse = true;
    const writer = {
      submit: (submission: Submission) => {
        const [, imaging] = submission.changes;
        if (refuse && imaging?.keys[0]?.[2] === 'urn:oid:1.1')
          throw new GatewayError('unavailable', 'the database is away');
        return ledger.writer.submit(submission);
      },
    };
    await start(ledger, { writer }).settleAll();
    expect(settled(ledger)).toHaveLength(1);
    expect(ledger.cursor()).toBe(0);
    refuse = false;
    await follower?.settleAll();
    expect(settled(ledger)).toHaveLength(2);
    expect(ledger.cursor()).toBe(2);
  });

  it('gives a study up that fails for good, and goes on', async () => {
    const ledger = fakeLedger();
    await addInstances(ledger, '1.1', 1, 1);
    const writer = { submit: () => Promise.reject(new GatewayError('internal', 'poison')) };
    await start(ledger, { writer }).settleAll();
    for (let i = 0; i < 5; i += 1) await follower?.settleAll();
    expect(ledger.cursor()).toBe(1);
  });

  it('gives a study of two patients to the first, without stopping', async () => {
    const ledger = fakeLedger();
    await addInstances(ledger, '1.1', 1, 2, 'A');
    await addInstances(ledger, '1.1', 3, 1, 'B');
    const owners: unknown[] = [];
    const writer = {
      submit: (submission: Submission) => {
        owners.push(submission.changes[0]?.keys[0]?.[2]);
        if (owners.length > 1)
          throw new GatewayError('business-rule', 'the subject of an existing resource cannot change');
        return ledger.writer.submit(submission);
      },
    };
    await start(ledger, { writer }).settleAll();
    expect(owners).toEqual(['A', 'B']);
    expect(ledger.cursor()).toBe(3);
  });

  it('writes few versions of a study that comes one association an image', async () => {
    const ledger = fakeLedger();
    start(ledger);
    for (let n = 1; n <= 600; n += 1) {
      await addInstances(ledger, '1.1', n, 1);
      now += 100;
      follower?.wake();
      // A round takes several turns; `settleAll` would settle what is not due.
      if (n % 10 === 0) for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(settled(ledger).length).toBeGreaterThan(2);
    expect(settled(ledger).length).toBeLessThan(12);
    await follower?.settleAll();
    expect(countOf(settled(ledger).at(-1))).toBe(600);
    expect(ledger.cursor()).toBe(ledger.submissions.findLastIndex(({ kind }) => kind === 'dicom-instance') + 1);
  });
});
