import { afterEach, describe, expect, it } from 'vitest';
import {
  CT_IMAGE_STORAGE,
  SAMPLE_CT,
  sampleCtDataSet,
  sampleCtFile,
  sampleCtStudy,
  type SampleCt,
} from '../../../src/cli/samples/dicom.ts';
import { openAssociation, type DicomAssociation, type DicomPeer } from '../../../src/clients/dicom.ts';
import { GatewayError } from '../../../src/core/errors.ts';
import type { DimseSettings } from '../../../src/edge/dimse/settings.ts';
import { COMMAND, decodeCommand, encodeCommand, type Command } from '../../../src/formats/dicom/command.ts';
import type { DataTf, Pdu } from '../../../src/formats/dicom/pdu.ts';
import {
  EXPLICIT_VR_LITTLE_ENDIAN,
  IMPLICIT_VR_LITTLE_ENDIAN,
  VERIFICATION_UID,
} from '../../../src/formats/dicom/uid.ts';
import type { BlobStore } from '../../../src/record/blob-store.ts';
import { startDicomGateway, type DicomGateway } from '../../support/dicom-gateway.ts';
import { ASSOCIATE_RQ, rawPeer, type RawPeer } from '../../support/raw-dicom-peer.ts';

const CT = { sopClassUid: CT_IMAGE_STORAGE, transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN };
const gateways: DicomGateway[] = [];
afterEach(async () => {
  await Promise.all(gateways.splice(0).map((gateway) => gateway.close()));
});

async function start(over: Partial<DimseSettings> = {}, wrap?: (store: BlobStore) => BlobStore): Promise<DicomGateway> {
  const gateway = await startDicomGateway(over, wrap);
  gateways.push(gateway);
  return gateway;
}

const peer = (gateway: DicomGateway, over: Partial<DicomPeer> = {}): DicomPeer => ({
  host: '127.0.0.1',
  port: gateway.port,
  calledAe: 'ANAMNESIS',
  callingAe: 'TEST',
  timeoutMs: 10_000,
  ...over,
});
const store = (
  association: DicomAssociation,
  ct: SampleCt,
  dataSet = sampleCtDataSet(ct),
): ReturnType<DicomAssociation['store']> =>
  association.store({ ...CT, sopInstanceUid: ct.sopInstanceUid, dataSet: [dataSet] });

const commandTf = (command: Command, context = 1): DataTf => ({
  type: 'P-DATA-TF',
  values: [{ context, command: true, last: true, data: encodeCommand(command) }],
});
const dataTf = (data: Buffer, last: boolean, context = 1): DataTf => ({
  type: 'P-DATA-TF',
  values: [{ context, command: false, last, data }],
});
const storeRq = (ct: SampleCt): Command => ({
  commandField: COMMAND['C-STORE-RQ'],
  hasDataSet: true,
  messageId: 7,
  affectedSopClassUid: CT_IMAGE_STORAGE,
  affectedSopInstanceUid: ct.sopInstanceUid,
});
async function associated(gateway: DicomGateway): Promise<RawPeer> {
  const raw = rawPeer(gateway.port);
  raw.send(ASSOCIATE_RQ);
  expect(await raw.next()).toMatchObject({ type: 'A-ASSOCIATE-AC', contexts: [{ id: 1, result: 0 }] });
  return raw;
}
const commandOf = (pdu: Pdu | { type: 'fault' } | undefined): Command | undefined =>
  pdu?.type === 'P-DATA-TF' ? decodeCommand(pdu.values[0].data) : undefined;
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('C-ECHO and C-STORE', () => {
  it('answers 0000 and keeps a complete file whose data set has the bytes received', async () => {
    const gateway = await start();
    const association = await openAssociation(peer(gateway), [CT]);
    expect(await association.echo()).toEqual({ status: 0, comment: undefined });
    const samples = sampleCtStudy(3);
    for (const ct of samples) expect(await store(association, ct)).toEqual({ status: 0, comment: undefined });
    expect(gateway.told).toEqual([]);
    await association.release();
    await until(() => gateway.told.length > 0);
    expect(gateway.told).toEqual([SAMPLE_CT.studyInstanceUid]);

    const documents = gateway.documents();
    expect(documents.map(({ sopInstanceUid }) => sopInstanceUid)).toEqual(
      samples.map(({ sopInstanceUid }) => sopInstanceUid),
    );
    for (const [i, document] of documents.entries()) {
      expect((await gateway.read(document)).equals(sampleCtFile(samples[i]))).toBe(true);
    }
    expect(await gateway.stored()).toHaveLength(3);
    expect(await gateway.temporary()).toEqual([]);
  });

  it('names neither person nor UID in the manifest details, and the person in the sealed payload only', async () => {
    const gateway = await start();
    const association = await openAssociation(peer(gateway), [CT]);
    await store(association, SAMPLE_CT);
    await association.release();
    const [submission] = gateway.ledger.submissions;
    const { raw, ...open } = submission;
    expect(JSON.stringify(open.details)).toBe(
      JSON.stringify({ sopClass: CT_IMAGE_STORAGE, transferSyntax: EXPLICIT_VR_LITTLE_ENDIAN }),
    );
    expect(raw?.bytes.toString()).toContain(SAMPLE_CT.patientName);
    expect(submission.about).toEqual([['identifier', 'https://hospital.example/ids', SAMPLE_CT.patientId]]);
  });

  it('answers a resend 0000 and changes nothing; other bytes under the same UID are 0111', async () => {
    const gateway = await start();
    const association = await openAssociation(peer(gateway), [CT]);
    expect((await store(association, SAMPLE_CT)).status).toBe(0);
    const before = await gateway.stored();
    expect((await store(association, SAMPLE_CT)).status).toBe(0);
    expect(await store(association, { ...SAMPLE_CT, patientName: 'Someone^Else' })).toMatchObject({ status: 0x0111 });
    expect(await gateway.stored()).toEqual(before);
    expect(gateway.ledger.submissions).toHaveLength(1);
    await association.release();
  });

  it('keeps a blob that a manifest names, even where the writer calls it a replay', async () => {
    const gateway = await start();
    const submit = gateway.ledger.writer.submit.bind(gateway.ledger.writer);
    // As after a connection lost at COMMIT: the message was committed by the first try, the second finds it there.
    Object.assign(gateway.ledger.writer, {
      submit: async (submission: Parameters<typeof submit>[0]) => submit(submission).then(() => submit(submission)),
    });
    const association = await openAssociation(peer(gateway), [CT]);
    expect((await store(association, SAMPLE_CT)).status).toBe(0);
    expect(await gateway.stored()).toHaveLength(1);
    await association.release();
  });

  it('takes objects of many sizes, at the borders of chunks and PDUs', async () => {
    const gateway = await start();
    const association = await openAssociation(peer(gateway), [CT]);
    const sides = [1, 100, 180, 181, 255, 256, 257, 362, 600];
    for (const [i, pixels] of sides.entries()) {
      const ct = { ...SAMPLE_CT, pixels, sopInstanceUid: `1.2.3.${i}` };
      expect((await store(association, ct)).status).toBe(0);
      const document = gateway.documents().at(-1);
      if (document === undefined) throw new Error('nothing stored');
      expect((await gateway.read(document)).equals(sampleCtFile(ct))).toBe(true);
    }
    await association.release();
  });
});

describe('statuses', () => {
  it('are A900 and Cxxx for permanent faults, and nothing is kept', async () => {
    const gateway = await start();
    const association = await openAssociation(peer(gateway), [CT]);
    const dataSet = sampleCtDataSet(SAMPLE_CT);
    const withUid = (uid: string): ReturnType<DicomAssociation['store']> =>
      association.store({ ...CT, sopInstanceUid: uid, dataSet: [dataSet] });
    expect(await withUid('1.2.3')).toMatchObject({ status: 0xa900, comment: expect.stringContaining('(0008,0018)') });
    expect(await withUid('not a uid')).toMatchObject({ status: 0xc000 });
    expect(await store(association, { ...SAMPLE_CT, studyInstanceUid: '' })).toMatchObject({
      status: 0xc000,
      comment: expect.stringContaining('(0020,000D)'),
    });
    expect(await store(association, SAMPLE_CT, dataSet.subarray(0, -100))).toMatchObject({
      status: 0xc000,
      comment: expect.stringContaining('(7FE0,0010)'),
    });
    expect(await store(association, SAMPLE_CT, Buffer.alloc(0))).toMatchObject({ status: 0xc000 });
    expect(await store(association, SAMPLE_CT, Buffer.from('this is no data set'.repeat(1000)))).toMatchObject({
      status: 0xc000,
    });
    expect((await store(association, SAMPLE_CT)).status).toBe(0);
    expect(await gateway.stored()).toHaveLength(1);
    expect(await gateway.temporary()).toEqual([]);
    await association.release();
  });

  it('are A7xx only for what a retry can cure', async () => {
    const gateway = await start();
    const association = await openAssociation(peer(gateway), [CT]);
    gateway.ledger.fault = new GatewayError('unavailable', 'the database is away');
    expect((await store(association, SAMPLE_CT)).status).toBe(0xa700);
    gateway.ledger.fault = new GatewayError('internal', 'a fault of ours');
    expect((await store(association, SAMPLE_CT)).status).toBe(0x0110);
    // The commit may have happened in both cases: the blobs stay until the sweep knows better.
    expect(await gateway.stored()).toHaveLength(2);
    gateway.ledger.fault = new GatewayError('storage-full', 'below the floor');
    expect((await store(association, SAMPLE_CT)).status).toBe(0xa700);
    expect(await gateway.stored()).toHaveLength(2);
    gateway.ledger.fault = undefined;
    expect((await store(association, SAMPLE_CT)).status).toBe(0);
    expect(gateway.outcomes).toEqual(['failed', 'failed', 'failed', 'accepted']);
    await association.release();
  });

  it('say A700 when the disk is full, and the rest of the object is read and dropped', async () => {
    let full = true;
    const wrap = (inner: BlobStore): BlobStore => ({
      ...inner,
      async put(ciphertext, digest) {
        if (!full) return inner.put(ciphertext, digest);
        for await (const _ of ciphertext)
          throw new GatewayError('storage-full', 'the blob store is full; free some disk');
      },
    });
    const gateway = await start({}, wrap);
    const association = await openAssociation(peer(gateway), [CT]);
    const big = { ...SAMPLE_CT, pixels: 1500 };
    expect(await store(association, big)).toEqual({
      status: 0xa700,
      comment: 'the blob store is full; free some disk',
    });
    full = false;
    expect((await store(association, big)).status).toBe(0);
    await association.release();
  });

  it('are 0122 for another class than the context is for, 0211 for other operations', async () => {
    const gateway = await start();
    const raw = await associated(gateway);
    const dataSet = sampleCtDataSet(SAMPLE_CT);
    raw.send(
      commandTf({ ...storeRq(SAMPLE_CT), affectedSopClassUid: '1.2.840.10008.5.1.4.1.1.4' }),
      dataTf(dataSet, true),
    );
    expect(commandOf(await raw.next())).toMatchObject({
      commandField: 0x8001,
      status: 0x0122,
      messageIdRespondedTo: 7,
    });
    for (const [field, hasDataSet] of [
      [0x0020, true],
      [0x0021, true],
      [0x0010, true],
      [0x0140, true],
      [0x0150, false],
    ] as const) {
      raw.send(
        commandTf({
          commandField: field,
          hasDataSet,
          messageId: 9,
          affectedSopClassUid: '1.2.840.10008.5.1.4.1.2.2.1',
        }),
      );
      if (hasDataSet) raw.send(dataTf(Buffer.alloc(10), true));
      expect(commandOf(await raw.next())).toMatchObject({
        commandField: field | 0x8000,
        status: 0x0211,
        messageIdRespondedTo: 9,
      });
    }
    raw.send(commandTf({ commandField: COMMAND['C-ECHO-RQ'], hasDataSet: false, messageId: 10 }));
    expect(commandOf(await raw.next())).toMatchObject({ status: 0 });
    raw.send({ type: 'A-RELEASE-RQ' });
    expect(await raw.next()).toEqual({ type: 'A-RELEASE-RP' });
    raw.reset();
  });
});

describe('negotiation', () => {
  it('rejects other AE titles, protocols and application contexts with their codes', async () => {
    const gateway = await start({ calledAe: 'ANAMNESIS', callingAes: ['TEST'] });
    const codes = async (over: Partial<typeof ASSOCIATE_RQ>): Promise<unknown> => {
      const raw = rawPeer(gateway.port);
      raw.send({ ...ASSOCIATE_RQ, ...over });
      const answer = await raw.next();
      raw.reset();
      return answer?.type === 'A-ASSOCIATE-RJ' ? `${answer.result}/${answer.source}/${answer.reason}` : answer?.type;
    };
    expect(await codes({})).toBe('A-ASSOCIATE-AC');
    expect(await codes({ calledAe: 'OTHER' })).toBe('1/1/7');
    expect(await codes({ callingAe: 'OTHER' })).toBe('1/1/3');
    expect(await codes({ protocolVersion: 2 })).toBe('1/2/2');
    expect(await codes({ applicationContext: '1.2.3' })).toBe('1/1/2');
  });

  it('rejects one association too many as transient, and takes it when another has ended', async () => {
    const gateway = await start({ maxAssociations: 2 });
    const first = await openAssociation(peer(gateway), [CT]);
    const second = await openAssociation(peer(gateway), [CT]);
    await expect(openAssociation(peer(gateway), [CT])).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('2/3/2'),
    });
    await first.release();
    await until(() => gateway.listener.count() === 1);
    const third = await openAssociation(peer(gateway), [CT]);
    await third.release();
    await second.release();
  });

  it('refuses contexts that are not for storage or cannot be read, one by one', async () => {
    const gateway = await start();
    const raw = rawPeer(gateway.port);
    const context = (
      id: number,
      abstractSyntax: string,
      ...transferSyntaxes: string[]
    ): (typeof ASSOCIATE_RQ.contexts)[number] => ({ id, abstractSyntax, transferSyntaxes });
    raw.send({
      ...ASSOCIATE_RQ,
      contexts: [
        context(1, VERIFICATION_UID, IMPLICIT_VR_LITTLE_ENDIAN),
        context(3, '1.2.840.10008.5.1.4.31', IMPLICIT_VR_LITTLE_ENDIAN),
        context(5, '1.2.840.10008.5.1.4.1.2.2.1', IMPLICIT_VR_LITTLE_ENDIAN),
        context(7, '1.2.840.10008.1.20.1', IMPLICIT_VR_LITTLE_ENDIAN),
        context(9, CT_IMAGE_STORAGE, '1.2.840.113619.5.2'),
        context(11, CT_IMAGE_STORAGE, '1.2.840.113619.5.2', '1.2.840.10008.1.2.4.90', EXPLICIT_VR_LITTLE_ENDIAN),
        context(13, '1.2.840.10008.5.1.4.1.1.99999', EXPLICIT_VR_LITTLE_ENDIAN),
      ],
    });
    const answer = await raw.next();
    expect(answer?.type === 'A-ASSOCIATE-AC' && answer.contexts.map(({ id, result }) => [id, result])).toEqual([
      [1, 0],
      [3, 3],
      [5, 3],
      [7, 3],
      [9, 4],
      [11, 0],
      [13, 0],
    ]);
    expect(answer?.type === 'A-ASSOCIATE-AC' && answer.contexts[5].transferSyntax).toBe('1.2.840.10008.1.2.4.90');
    raw.reset();
  });
});

describe('a sender that misbehaves', () => {
  it('leaves nothing when it aborts, resets or hangs up half-way', async () => {
    const gateway = await start();
    const dataSet = sampleCtDataSet({ ...SAMPLE_CT, pixels: 600 });
    for (const leave of ['abort', 'reset', 'release'] as const) {
      const raw = await associated(gateway);
      raw.send(
        commandTf(storeRq(SAMPLE_CT)),
        dataTf(dataSet.subarray(0, 100_000), false),
        dataTf(dataSet.subarray(100_000, 200_000), false),
      );
      await until(async () => (await gateway.temporary()).length > 0);
      if (leave === 'abort') raw.send({ type: 'A-ABORT', source: 0, reason: 0 });
      else if (leave === 'release') raw.send({ type: 'A-RELEASE-RQ' });
      else raw.reset();
      if (leave === 'release') raw.reset();
      await until(() => gateway.listener.count() === 0);
    }
    expect(await gateway.temporary()).toEqual([]);
    expect(await gateway.stored()).toEqual([]);
    expect(gateway.ledger.submissions).toEqual([]);
    expect(gateway.told).toEqual([]);
  });

  it('gets an A-ABORT that says why, and the listener lives', async () => {
    const gateway = await start({ maxPduBytes: 16_384 });
    const abortOf = async (bytes: Buffer | Pdu[], first: boolean): Promise<unknown> => {
      const raw = first ? rawPeer(gateway.port) : await associated(gateway);
      if (Buffer.isBuffer(bytes)) raw.write(bytes);
      else raw.send(...bytes);
      const answer = await raw.next();
      raw.reset();
      return answer?.type === 'A-ABORT' ? `${answer.source}/${answer.reason}` : answer?.type;
    };
    // Before an association the state table says AA-1, an abort by the service user.
    expect(await abortOf(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), true)).toBe('0/0');
    expect(await abortOf(Buffer.from([1, 0, 0xff, 0xff, 0xff, 0xff]), true)).toBe('0/0');
    expect(await abortOf([{ type: 'A-RELEASE-RQ' }], true)).toBe('0/0');
    // In one AA-8, by the service provider.
    expect(await abortOf(Buffer.from([9, 0, 0, 0, 0, 0]), false)).toBe('2/1');
    expect(await abortOf(Buffer.from([4, 0, 0, 1, 0, 0]), false)).toBe('2/6');
    expect(await abortOf([ASSOCIATE_RQ], false)).toBe('2/2');
    expect(await abortOf([dataTf(Buffer.alloc(4), true)], false)).toBe('2/6');
    expect(await abortOf([commandTf(storeRq(SAMPLE_CT), 3)], false)).toBe('2/6');
    expect(
      await abortOf(
        [{ type: 'P-DATA-TF', values: [{ context: 1, command: true, last: true, data: Buffer.alloc(9) }] }],
        false,
      ),
    ).toBe('2/6');
    expect(await abortOf([commandTf(storeRq(SAMPLE_CT)), commandTf(storeRq(SAMPLE_CT))], false)).toBe('2/6');
    await until(() => gateway.listener.count() === 0);
    const association = await openAssociation(peer(gateway), [CT]);
    expect((await store(association, SAMPLE_CT)).status).toBe(0);
    await association.release();
  });

  it('is cut off when the object is larger than allowed', async () => {
    const gateway = await start({ maxObjectBytes: 50_000 });
    const association = await openAssociation(peer(gateway), [CT]);
    await expect(store(association, { ...SAMPLE_CT, pixels: 300 })).rejects.toMatchObject({ code: 'unavailable' });
    await until(() => gateway.listener.count() === 0);
    expect(await gateway.stored()).toEqual([]);
    expect(await gateway.temporary()).toEqual([]);
  });

  it('is cut off when it is silent: before its request, in the association, and after its release', async () => {
    const mute = rawPeer((await start({ artimMs: 40 })).port);
    await mute.closed;
    // The timer of the end bounds how long an association may take to begin, too.
    const idle = await associated(await start({ idleMs: 80, artimMs: 1_000 }));
    expect(await idle.next()).toEqual({ type: 'A-ABORT', source: 0, reason: 0 });
    expect(await idle.next()).toBeUndefined();
    const lingering = await associated(await start({ artimMs: 1_000 }));
    lingering.send({ type: 'A-RELEASE-RQ' });
    expect(await lingering.next()).toEqual({ type: 'A-RELEASE-RP' });
    expect(await lingering.next()).toBeUndefined();
  });

  it('is slowed down while storage is behind, instead of filling the memory', async () => {
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    let taken = 0;
    const wrap = (inner: BlobStore): BlobStore => ({
      ...inner,
      async put(ciphertext, digest) {
        async function* slow(): AsyncGenerator<Uint8Array> {
          for await (const piece of ciphertext) {
            await gate;
            taken += piece.byteLength;
            yield piece;
          }
        }
        await inner.put(slow(), digest);
      },
    });
    const gateway = await start({}, wrap);
    const association = await openAssociation(peer(gateway), [CT]);
    const dataSet = sampleCtDataSet({ ...SAMPLE_CT, pixels: 2_000 });
    let pulled = 0;
    function* pieces(): Generator<Buffer> {
      for (let copy = 0; copy < 8; copy += 1) {
        for (let at = 0; at < 8_000_000; at += 100_000) {
          pulled += 100_000;
          yield copy === 0 ? dataSet.subarray(at, at + 100_000) : Buffer.alloc(100_000);
        }
      }
    }
    const answer = association.store({ ...CT, sopInstanceUid: SAMPLE_CT.sopInstanceUid, dataSet: pieces() });
    let before = -1;
    while (pulled !== before) {
      before = pulled;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(taken).toBe(0);
    expect(pulled).toBeLessThan(40_000_000);
    open();
    expect((await answer).status).toBe(0);
    expect(taken).toBeGreaterThan(64_000_000);
    await association.release();
  });
});

describe('close', () => {
  it('lets a running C-STORE finish and be answered, and ends idle associations', async () => {
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    const gateway = await start({}, (inner) => ({
      ...inner,
      put: async (ciphertext, digest) => inner.put(ciphertext, digest).then(() => gate),
    }));
    const idle = await associated(gateway);
    const association = await openAssociation(peer(gateway), [CT]);
    const answer = store(association, SAMPLE_CT);
    await until(async () => (await gateway.stored()).length > 0);
    const closing = gateway.listener.close();
    expect(await idle.next()).toMatchObject({ type: 'A-ABORT' });
    idle.reset();
    await expect(openAssociation(peer(gateway), [CT])).rejects.toMatchObject({ code: 'unavailable' });
    open();
    expect((await answer).status).toBe(0);
    await expect(association.release()).rejects.toBeInstanceOf(GatewayError);
    await closing;
    expect(gateway.listener.count()).toBe(0);
    expect(gateway.told).toEqual([SAMPLE_CT.studyInstanceUid]);
  });
});
