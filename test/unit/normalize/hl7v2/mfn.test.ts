import { describe, expect, it } from 'vitest';
import { adt, defects, hl7, MemoryRecord, normalize, segment } from '../../../support/hl7v2.ts';

let minute = 0;
const mfn = (event: string, ...segments: string[]): string =>
  hl7(`MFN^${event}`, ['MFI|STF||UPD|||AL', ...segments], `2026030112${String(minute++ % 60).padStart(2, '0')}00+0100`);
const record = (...messages: string[]): MemoryRecord => {
  const taken = new MemoryRecord(...messages);
  expect(defects(taken)).toEqual([]);
  return taken;
};
const STF = segment('STF', { 1: '77', 2: '77^^^HOSP^PRN', 3: 'Smith^Ann', 5: 'F', 7: 'A', 10: '^WPN^PH^^^555^1234' });

describe('MFN_M02', () => {
  it('a member of staff with licences and specialty; deactivated when the file says so', () => {
    const added = mfn('M02', 'MFE|MAD|1||77', STF, segment('PRA', { 1: '77', 5: 'IM^B', 6: '1234567893^NPI' }));
    const taken = record(added);
    expect(taken.one('Practitioner')).toMatchObject({
      active: true,
      identifier: [{ value: '77' }, { system: 'http://hl7.org/fhir/sid/us-npi', value: '1234567893' }],
      name: [{ family: 'Smith' }],
    });
    expect(taken.one('PractitionerRole').specialty).toMatchObject([{ coding: [{ code: 'IM' }] }]);
    expect(record(added, mfn('M02', 'MFE|MDC|2||77', STF)).one('Practitioner').active).toBe(false);
  });

  it('trap: staff of the file are the people that other messages name', () => {
    const visit = adt('A01', [
      'PID|1||1^^^HOSP^MR||Doe^Jane',
      segment('PV1', { 2: 'I', 7: '77^Smyth^A^^^^^^HOSP', 19: 'V1' }),
    ]);
    expect(record(visit, mfn('M02', 'MFE|MAD|1||77', STF)).one('Practitioner').name).toMatchObject([
      { family: 'Smith' },
    ]);
  });

  it('several entries, each with its own action; other segments are counted', () => {
    const message = mfn('M02', 'MFE|MAD|1||77', STF, 'MFE|MDL|2||78', STF.replaceAll('77', '78'), 'ORG|1');
    expect(
      record(message)
        .all('Practitioner')
        .map(({ active }) => active),
    ).toEqual([true, false]);
    expect(normalize(message).details.unmapped).toEqual({ ORG: 1 });
  });

  it('no STF is refused at its place', () => {
    expect(() => normalize(mfn('M02', 'MFE|MAD|1||77'))).toThrow(expect.objectContaining({ expression: 'STF' }));
  });
});

describe('MFN_M05', () => {
  it('a bed, by its own name, closed and opened', () => {
    const loc = 'LOC|W1^12^A^HOSP|Window bed|R^Room|St Mary^^1';
    const taken = record(mfn('M05', 'MFE|MAD|1||x', loc), mfn('M05', 'MFE|MDC|2||x', loc));
    expect(taken.one('Location')).toMatchObject({
      status: 'inactive',
      name: 'Window bed',
      physicalType: { coding: [{ code: 'bd' }] },
    });
  });

  it('another master file is not taken, and the error says which are', () => {
    expect(() => normalize(hl7('MFN^M13', ['MFI|INV', 'MFE|MAD|1||X|CE']))).toThrow('taken are M02, M05');
  });
});
