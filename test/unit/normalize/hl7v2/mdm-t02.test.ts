import { describe, expect, it } from 'vitest';
import { defects, hl7, MemoryRecord, normalize, segment } from '../../../support/hl7v2.ts';

const PID = 'PID|1||123^^^HOSP^MR||Doe^Jane||19800704|F';
const txa = (fields: Readonly<Record<number, string>> = {}): string =>
  segment('TXA', { 1: '1', 2: 'DS', 6: '20260301100000+0100', 12: 'D1^REC', 17: 'AU', 19: 'AV', ...fields });
let minute = 0;
const mdm = (event: string, ...segments: string[]): string =>
  hl7(`MDM^${event}`, segments, `2026030112${String(minute++ % 60).padStart(2, '0')}00+0100`);
const record = (...messages: string[]): MemoryRecord => {
  const taken = new MemoryRecord(...messages);
  expect(defects(taken)).toEqual([]);
  return taken;
};
const decode = (data: string): string => Buffer.from(data, 'base64').toString();

describe('MDM_T02', () => {
  it('trap: a letter in many OBX is one text, above its documents', () => {
    const document = record(
      mdm(
        'T02',
        PID,
        txa({ 25: 'Discharge' }),
        'OBX|1|TX|1^Text^L||Dear colleague,||||||F',
        'OBX|2|FT|1^Text^L||she is\\.br\\well~again||||||F',
        'OBX|3|ED|2^Scan^L||^application^pdf^Base64^SGVsbG8=||||||F',
      ),
    ).one('DocumentReference');
    expect(document).toMatchObject({ status: 'current', docStatus: 'final', date: '2026-03-01T10:00:00+01:00' });
    const [text, scan] = document.content;
    expect(decode(text.attachment.data)).toBe('Dear colleague,\nshe is\nwell\nagain');
    expect(scan.attachment).toMatchObject({ contentType: 'application/pdf', data: 'SGVsbG8=', title: 'Discharge' });
  });

  it('trap: a pointer is kept and never fetched', () => {
    expect(
      record(mdm('T02', PID, txa(), 'OBX|1|RP|1^Scan^L||https://pacs.example/a.pdf^^AP^PDF||||||F')).one(
        'DocumentReference',
      ).content,
    ).toMatchObject([{ attachment: { url: 'https://pacs.example/a.pdf', contentType: 'application/pdf' } }]);
  });

  it('trap: a notification without content, then the document, then a status, are one record', () => {
    const taken = record(
      mdm('T01', PID, txa({ 17: 'DI' })),
      mdm('T02', PID, txa({ 17: 'DI' }), 'OBX|1|TX|1^Text^L||draft||||||F'),
      mdm('T03', PID, txa({ 17: 'LA' })),
    );
    const document = taken.one('DocumentReference');
    expect(document.docStatus).toBe('final');
    expect(decode(document.content[0].attachment.data)).toBe('draft');
  });

  it('trap: a replacement supersedes the other, known or not; an addendum does not', () => {
    const text = 'OBX|1|TX|1^Text^L||x||||||F';
    const replaced = record(mdm('T02', PID, txa(), text), mdm('T10', PID, txa({ 12: 'D2^REC', 13: 'D1^REC' }), text));
    expect(replaced.all('DocumentReference').map(({ status }) => status)).toEqual(['superseded', 'current']);
    expect(replaced.all('DocumentReference')[1].relatesTo).toMatchObject([{ code: 'replaces' }]);
    const unknown = record(mdm('T10', PID, txa({ 12: 'D2^REC', 13: 'D1^REC' }), text));
    expect(unknown.all('DocumentReference').map(({ status }) => status)).toEqual(['superseded', 'current']);
    const appended = record(mdm('T02', PID, txa(), text), mdm('T06', PID, txa({ 12: 'D3^REC', 13: 'D1^REC' }), text));
    expect(appended.all('DocumentReference').map(({ status }) => status)).toEqual(['current', 'current']);
  });

  it('trap: T11 and TXA-19 withdraw; a status that comes later does not bring it back', () => {
    const text = 'OBX|1|TX|1^Text^L||x||||||F';
    const first = mdm('T02', PID, txa(), text);
    const statusAfter = (...messages: string[]): unknown => record(first, ...messages).one('DocumentReference').status;
    expect(statusAfter(mdm('T11', PID, txa()))).toBe('entered-in-error');
    expect(statusAfter(mdm('T03', PID, txa({ 19: 'OB' })))).toBe('superseded');
    expect(statusAfter(mdm('T11', PID, txa()), mdm('T03', PID, txa()))).toBe('entered-in-error');
    expect(statusAfter(mdm('T03', PID, txa({ 19: 'UN' })))).toBe('current');
  });

  it('trap: TXA-18 and OBX-13 mark the record, not only the securityLabel', () => {
    const marked = (code: string): any =>
      record(mdm('T02', PID, txa({ 18: code }), 'OBX|1|TX|1^Text^L||x||||||F')).one('DocumentReference');
    expect(marked('V')).toMatchObject({
      meta: { security: [{ code: 'V' }] },
      securityLabel: [{ coding: [{ code: 'V' }] }],
    });
    expect(marked('PSY').meta.security).toMatchObject([{ code: 'PSY', system: expect.stringContaining('ActCode') }]);
    expect(marked('U').meta).not.toHaveProperty('security');
    const value = segment('OBX', { 1: '1', 2: 'TX', 3: '1^Text^L', 5: 'x', 11: 'F', 13: 'HIV' });
    expect(record(mdm('T02', PID, txa(), value)).one('DocumentReference').meta.security).toMatchObject([
      { code: 'HIV' },
    ]);
  });

  it('order, visit and values beside the text are what the document is about', () => {
    const taken = record(
      mdm(
        'T02',
        PID,
        segment('PV1', { 2: 'I', 19: 'V1^^^HOSP^VN' }),
        'ORC|SC|P1^EHR|F1^LAB',
        'OBR|1|P1^EHR|F1^LAB|5^Echo^L',
        txa(),
        'OBX|1|TX|1^Text^L||x||||||F',
        'OBX|2|NM|10230-1^EF^LN||55|%^^UCUM|||||F',
        'NTE|1||by eye',
      ),
    );
    const { context, content } = taken.one('DocumentReference');
    expect(context.encounter).toHaveLength(1);
    expect(context.related.map(({ reference }: any) => reference.split('/')[0])).toEqual([
      'ServiceRequest',
      'Observation',
    ]);
    expect(content).toHaveLength(1);
    expect(taken.one('Observation').note).toEqual([{ text: 'by eye' }]);
  });

  it('trap: an ORC alone names the order of the document', () => {
    expect(record(mdm('T01', PID, 'ORC|SC|P1^EHR', txa())).one('ServiceRequest')).toMatchObject({
      status: 'active',
      intent: 'order',
    });
  });

  it('no TXA is refused at its place; data that is not in its encoding is noted', () => {
    expect(() => normalize(mdm('T02', PID))).toThrow(expect.objectContaining({ expression: 'TXA' }));
    expect(
      normalize(mdm('T02', PID, txa(), 'OBX|1|ED|2^Scan^L||^application^pdf^Base64^%%%||||||F')).details.omissions,
    ).toEqual([{ location: 'OBX[1]-5', reason: 'not-an-attachment' }]);
  });
});
