import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { DICOM_HEADER_BYTES } from '../../../../src/core/limits.ts';
import { readHeader, type DicomHeader, type HeaderFault } from '../../../../src/formats/dicom/header.ts';
import { encodeFileMeta, readFileStart } from '../../../../src/formats/dicom/part10.ts';
import {
  DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
  EXPLICIT_VR_LITTLE_ENDIAN,
  isStorableTransferSyntax,
  isStorageClass,
} from '../../../../src/formats/dicom/uid.ts';

function element(group: number, number: number, vr: string, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  const even = bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.from(vr === 'UI' ? '\0' : ' ')]);
  const head = Buffer.alloc(['OB', 'OW', 'SQ', 'UN'].includes(vr) ? 12 : 8);
  head.writeUInt16LE(group, 0);
  head.writeUInt16LE(number, 2);
  head.write(vr, 4, 'latin1');
  if (head.length === 12) head.writeUInt32LE(even.length, 8);
  else head.writeUInt16LE(even.length, 6);
  return Buffer.concat([head, even]);
}

const uids = [element(0x0008, 0x0016, 'UI', '1.2.840.10008.5.1.4.1.1.2'), element(0x0008, 0x0018, 'UI', '1.2.3.4')];
const study = [element(0x0020, 0x000d, 'UI', '1.2.3'), element(0x0020, 0x000e, 'UI', '1.2.3.1')];

function read(
  dataSet: Buffer,
  over: { ts?: string; size?: number; charset?: string } = {},
): Promise<DicomHeader | HeaderFault> {
  return readHeader(
    {
      bytes: dataSet.subarray(0, DICOM_HEADER_BYTES),
      transferSyntaxUid: over.ts ?? EXPLICIT_VR_LITTLE_ENDIAN,
      dataSetSize: over.size ?? dataSet.length,
      fallbackCharacterSet: over.charset,
    },
    DICOM_HEADER_BYTES,
  );
}

describe('header attributes', () => {
  it('reads UIDs and text, trimmed, empty elements absent', async () => {
    const dataSet = Buffer.concat([
      ...uids,
      element(0x0008, 0x0050, 'SH', ''),
      element(0x0010, 0x0010, 'PN', 'Probe^Petra '),
      ...study,
    ]);
    expect(await read(dataSet)).toEqual({
      sopClassUid: '1.2.840.10008.5.1.4.1.1.2',
      sopInstanceUid: '1.2.3.4',
      studyInstanceUid: '1.2.3',
      seriesInstanceUid: '1.2.3.1',
      unreadable: [],
      attributes: {
        SOPClassUID: '1.2.840.10008.5.1.4.1.1.2',
        SOPInstanceUID: '1.2.3.4',
        StudyInstanceUID: '1.2.3',
        SeriesInstanceUID: '1.2.3.1',
        PatientName: 'Probe^Petra',
      },
    });
  });

  it('leaves out text that is not of its character set instead of guessing', async () => {
    const name = element(0x0010, 0x0010, 'PN', Buffer.from('M\xfcller', 'latin1'));
    const bare = Buffer.concat([...uids, name, ...study]);
    expect(await read(bare)).toMatchObject({ unreadable: ['PatientName'] });
    expect(await read(bare, { charset: 'ISO_IR 100' })).toMatchObject({
      attributes: { PatientName: 'Müller' },
      unreadable: [],
    });
    const stated = (charset: string): Buffer =>
      Buffer.concat([element(0x0008, 0x0005, 'CS', charset), ...uids, name, ...study]);
    expect(await read(stated('ISO_IR 192'))).toMatchObject({ unreadable: ['PatientName'] });
    expect(await read(stated('NO SUCH SET'))).toMatchObject({ unreadable: ['PatientName'] });
    expect(await read(stated('ISO_IR 100'))).toMatchObject({ attributes: { PatientName: 'Müller' } });
  });

  it('names the attribute that is missing or no UID', async () => {
    expect(await read(Buffer.concat([...uids, study[1]]))).toEqual({ fault: 'missing', expression: '(0020,000D)' });
    expect(await read(Buffer.concat([...uids, element(0x0020, 0x000d, 'UI', '../../etc'), study[1]]))).toEqual({
      fault: 'missing',
      expression: '(0020,000D)',
    });
    expect(await read(Buffer.alloc(0))).toMatchObject({ fault: 'missing' });
  });

  it('sees that pixels are cut off', async () => {
    const dataSet = Buffer.concat([...uids, ...study, element(0x7fe0, 0x0010, 'OW', Buffer.alloc(400_000))]);
    expect(await read(dataSet)).toMatchObject({ studyInstanceUid: '1.2.3' });
    expect(await read(dataSet.subarray(0, 300_000))).toEqual({ fault: 'truncated', expression: '(7FE0,0010)' });
  });

  it('does not need what stands behind the header bytes', async () => {
    const dataSet = Buffer.concat([
      ...uids,
      ...study,
      element(0x0029, 0x1010, 'OB', Buffer.alloc(600_000)),
      element(0x7fe0, 0x0010, 'OW', Buffer.alloc(10)),
    ]);
    expect(await read(dataSet)).toMatchObject({ studyInstanceUid: '1.2.3' });
  });

  it('inflates a deflated data set only as far as the header, bomb or not', async () => {
    const dataSet = Buffer.concat([...uids, ...study, element(0x7fe0, 0x0010, 'OW', Buffer.alloc(200_000_000))]);
    const deflated = deflateRawSync(dataSet);
    const before = process.memoryUsage.rss();
    expect(await read(deflated, { ts: DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN })).toMatchObject({
      studyInstanceUid: '1.2.3',
    });
    expect(process.memoryUsage.rss() - before).toBeLessThan(50_000_000);
    expect(await read(Buffer.from('not deflated at all'), { ts: DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN })).toEqual({
      fault: 'unreadable',
    });
  });

  it('is not brought down by endless nesting', async () => {
    const nested = Buffer.concat(
      Array.from({ length: 12_000 }, () =>
        Buffer.from('29001010' + '5351' + '0000' + 'ffffffff' + 'feff00e0' + 'ffffffff', 'hex'),
      ),
    );
    expect(await read(Buffer.concat([...uids, ...study, nested]))).toMatchObject({ studyInstanceUid: '1.2.3' });
    expect(await read(nested)).toHaveProperty('fault');
  });
});

describe('file meta information', () => {
  it('is found again as it was written, whatever the lengths', () => {
    for (const tail of ['', '7', '77', '777']) {
      const meta = {
        mediaStorageSopClassUid: `1.2.840${tail}`,
        mediaStorageSopInstanceUid: `1.2.3${tail}`,
        transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN,
      };
      const head = encodeFileMeta(meta);
      expect(readFileStart(Buffer.concat([head, uids[0]]))).toEqual({
        meta,
        transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN,
        dataSetOffset: head.length,
      });
      expect(head.subarray(0, 132)).toEqual(Buffer.concat([Buffer.alloc(128), Buffer.from('DICM')]));
    }
  });

  it('is not seen in what is no DICOM file', () => {
    for (const text of ['', 'hello', '{"resourceType":"Patient"}', 'MSH|^~\\&|'])
      expect(readFileStart(Buffer.from(text))).toBeUndefined();
  });
});

describe('what is taken', () => {
  it('are storage classes, known, new and private, not services', () => {
    for (const uid of ['1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.5.1.4.1.1.9999', '1.3.12.2.1107.5.9.1'])
      expect(isStorageClass(uid)).toBe(true);
    for (const uid of [
      '1.2.840.10008.5.1.4.1.2.1.1',
      '1.2.840.10008.1.20.1',
      '1.2.840.10008.5.1.4.31',
      '1.2.840.10008.1.1',
      'x',
    ])
      expect(isStorageClass(uid)).toBe(false);
  });

  it('are the transfer syntaxes of the standard, not references and not private ones', () => {
    for (const uid of ['1.2.840.10008.1.2', '1.2.840.10008.1.2.1.99', '1.2.840.10008.1.2.4.201', '1.2.840.10008.1.2.5'])
      expect(isStorableTransferSyntax(uid)).toBe(true);
    for (const uid of ['1.2.840.10008.1.2.4.94', '1.2.840.10008.1.2.6.1', '1.2.840.113619.5.2', ''])
      expect(isStorableTransferSyntax(uid)).toBe(false);
  });
});

const corpora = process.env.CORPORA_DIR;
if (!corpora) console.log('CORPORA_DIR is not set: the DICOM corpus is skipped');

describe.skipIf(!corpora)('corpus', () => {
  const walk = (dir: string): string[] =>
    readdirSync(dir).flatMap((name) =>
      statSync(join(dir, name)).isDirectory() ? walk(join(dir, name)) : [join(dir, name)],
    );
  const files = corpora ? walk(join(corpora, 'dicom')) : [];
  const headerOf = (path: string, charset?: string): ReturnType<typeof readHeader> => {
    const bytes = readFileSync(path);
    const start = readFileStart(bytes);
    if (start === undefined) throw new Error(`no DICOM file: ${path}`);
    return read(bytes.subarray(start.dataSetOffset), {
      ts: start.transferSyntaxUid,
      ...(charset === undefined ? {} : { charset }),
    });
  };

  it('reads every file to a header or a fault', async () => {
    let headers = 0;
    for (const path of files) {
      if (readFileStart(readFileSync(path)) === undefined) continue;
      if (!('fault' in (await headerOf(path)))) headers += 1;
    }
    expect(headers).toBeGreaterThan(130);
  });

  it('reads names in every character set', async () => {
    const names: [string, string][] = [
      ['chrArab', 'قباني^لنزار'],
      ['chrFrenMulti', 'Buc^Jérôme'],
      ['chrGerm', 'Äneas^Rüdiger'],
      ['chrGreek', 'Διονυσιος'],
      ['chrH31', 'Yamada^Tarou=山田^太郎=やまだ^たろう'],
      ['chrH32', 'ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう'],
      ['chrHbrw', 'שרון^דבורה'],
      ['chrI2', 'Hong^Gildong=洪^吉洞=홍^길동'],
      ['chrKoreanMulti', '김희중'],
      ['chrRuss', 'Люкceмбypг'],
      ['chrX1', 'Wang^XiaoDong=王^小東='],
      ['chrX2', 'Wang^XiaoDong=王^小东='],
    ];
    for (const [file, name] of names) {
      expect(await headerOf(join(corpora ?? '', 'dicom', 'charset', `${file}.dcm`))).toMatchObject({
        attributes: { PatientName: name },
      });
    }
  });
});
