import { describe, expect, it } from 'vitest';
import { defects, hl7, MemoryRecord, normalize, segment } from '../../../support/hl7v2.ts';

const PID = 'PID|1||123^^^HOSP^MR||Doe^Jane';
const RF1 = 'RF1|A^Accepted^HL70283|S^Stat^HL70280|Med^Medical^HL70281|||R-1^EHR|20260301|20260401|20260301||X-1^LAB';
let minute = 0;
const ref = (event: string, ...segments: string[]): string =>
  hl7(`REF^${event}`, segments, `2026030112${String(minute++ % 60).padStart(2, '0')}00+0100`);
const record = (...messages: string[]): MemoryRecord => {
  const taken = new MemoryRecord(...messages);
  expect(defects(taken)).toEqual([]);
  return taken;
};

describe('REF_I12', () => {
  it('who refers, to whom, why, until when, and who pays', () => {
    const taken = record(
      ref(
        'I12',
        RF1,
        'PRD|RP|Powell^Robert|||||100^SL',
        'PRD|RT|McWilliams^Paul',
        PID,
        'DG1|1||K63.3^Ulcer^I10',
        'IN1|1|PPO^Gold||Aetna',
      ),
    );
    expect(taken.one('ServiceRequest')).toMatchObject({
      status: 'active',
      priority: 'stat',
      identifier: [{ value: 'R-1' }, { value: 'X-1' }],
      occurrencePeriod: { start: '2026-03-01', end: '2026-04-01' },
      requester: { reference: expect.stringContaining('Practitioner/'), display: 'Robert Powell' },
      performer: [{ display: 'Paul McWilliams' }],
      reasonReference: [{}],
      insurance: [{}],
    });
  });

  it('how to reach who refers, and the organisation of who is asked', () => {
    const prd = segment('PRD', { 1: 'RP', 2: 'Powell^Robert', 3: '1 Main^^Town', 5: '^WPN^PH^^^555^1', 7: '100^SL' });
    const asked = segment('PRD', { 1: 'RT', 2: 'McWilliams^Paul', 10: 'Clinic^L^^^^HOSP^XX^^^C1' });
    const taken = record(ref('I12', RF1, prd, asked, PID));
    expect(taken.one('Practitioner')).toMatchObject({ address: [{ city: 'Town' }], telecom: [{ system: 'phone' }] });
    expect(taken.one('ServiceRequest').performer).toMatchObject([
      { display: 'Paul McWilliams' },
      { display: 'Clinic' },
    ]);
  });

  it('a disposition without a type is a category: R4 has no details without a code', () => {
    const { category, orderDetail } = record(ref('I12', 'RF1|A|R||WR^Written^HL70282||R-2^EHR', PID)).one(
      'ServiceRequest',
    );
    expect(orderDetail).toBeUndefined();
    expect(JSON.stringify(category)).toContain('Written');
  });

  it.each([
    ['I14', RF1, 'revoked'],
    ['I13', RF1.replace('A^Accepted', 'R^Rejected'), 'revoked'],
    ['I13', RF1.replace('A^Accepted', 'P^Pending'), 'active'],
  ])('%s of a known referral', (event, rf1, status) => {
    expect(record(ref('I12', RF1, PID), ref(event, rf1, PID)).one('ServiceRequest').status).toBe(status);
  });

  it('results that are sent with a referral are results', () => {
    const taken = record(ref('I12', RF1, PID, 'OBR|1||F1^LAB|5^Test^L', 'OBX|1|ST|5^Test^L||Positive||||||F'));
    expect(taken.one('Observation').valueString).toBe('Positive');
    expect(taken.all('ServiceRequest')).toHaveLength(2);
  });

  it('no RF1 is refused at its place', () => {
    expect(() => normalize(ref('I12', PID))).toThrow(expect.objectContaining({ expression: 'RF1' }));
  });

  it('labels reach the referral', () => {
    expect(
      record(ref('I12', RF1, PID, segment('ARV', { 2: 'A', 3: 'SUD' }))).one('ServiceRequest').meta.security,
    ).toMatchObject([{ code: 'SUD' }]);
  });
});
