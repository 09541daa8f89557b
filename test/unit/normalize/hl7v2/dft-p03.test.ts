import { describe, expect, it } from 'vitest';
import { defects, hl7, MemoryRecord, normalize, segment } from '../../../support/hl7v2.ts';

const PID = segment('PID', { 1: '1', 3: '123^^^HOSP^MR', 5: 'Doe^Jane', 18: 'A-9^^^HOSP^AN' });
const ft1 = (fields: Readonly<Record<number, string>> = {}): string =>
  segment('FT1', { 1: '1', 2: 'T1', 4: '20260301', 6: 'CG', 7: '71045^Chest^C4', ...fields });
let minute = 0;
const message = (type: string, ...segments: string[]): string =>
  hl7(type, segments, `2026030112${String(minute++ % 60).padStart(2, '0')}00+0100`);
const record = (...messages: string[]): MemoryRecord => {
  const taken = new MemoryRecord(...messages);
  expect(defects(taken)).toEqual([]);
  return taken;
};

describe('DFT_P03', () => {
  it('a charge hangs on account and visit, with its price and reasons', () => {
    const taken = record(
      message(
        'DFT^P03',
        PID,
        segment('PV1', { 2: 'O', 19: 'V1^^^HOSP^VN' }),
        ft1({ 10: '2', 12: '50.00&USD', 13: 'RAD^Radiology', 19: 'R07^Pain^I10~J31^Rhinitis^I10', 20: '9^Smith^Ann' }),
      ),
    );
    expect(taken.one('ChargeItem')).toMatchObject({
      status: 'billable',
      occurrenceDateTime: '2026-03-01',
      costCenter: { display: 'Radiology' },
      priceOverride: { currency: 'USD' },
      reason: [{ coding: [{ code: 'R07' }] }, { coding: [{ code: 'J31' }] }],
      performer: [{ actor: { display: 'Ann Smith' } }],
      account: [{}],
      context: {},
    });
    expect(taken.one('Account').status).toBe('active');
  });

  it('trap: payments and credits are no charges; they are noted', () => {
    const paid = message('DFT^P03', PID, ft1({ 6: 'PY' }), ft1({ 1: '2', 6: 'CD' }));
    expect(record(paid).all('ChargeItem')).toHaveLength(0);
    expect(normalize(paid).details).toMatchObject({
      unmapped: { FT1: 2 },
      omissions: [
        { location: 'FT1[1]-6', reason: 'not-a-charge' },
        { location: 'FT1[2]-6', reason: 'not-a-charge' },
      ],
    });
  });

  it('trap: one transaction id for all lines of a bill; the same line again is the same charge', () => {
    const bill = (): string => message('DFT^P03', PID, ft1(), ft1({ 1: '2', 7: '99011^Visit^C4' }));
    expect(record(bill(), bill()).all('ChargeItem')).toHaveLength(2);
  });

  it('trap: PR1 below FT1 is what was charged, PR1 elsewhere is not', () => {
    const taken = record(
      message('DFT^P03', PID, 'PR1|1||1^Other^L||20260301', ft1(), 'PR1|1||71045^Chest^C4||20260301'),
    );
    expect(taken.all('Procedure')).toHaveLength(2);
    expect(taken.one('ChargeItem').service).toHaveLength(1);
  });

  it('labels reach the charge, and a withdrawn one is in error', () => {
    expect(record(message('DFT^P03', PID, ft1(), 'ARV|1|A|HIV')).one('ChargeItem').meta.security).toMatchObject([
      { code: 'HIV' },
    ]);
    expect(
      record(message('DFT^P03', PID, ft1()), message('DFT^P03', PID, ft1({ 34: 'D' }))).one('ChargeItem').status,
    ).toBe('entered-in-error');
  });
});

describe('BAR', () => {
  it('opens, changes and ends an account', () => {
    const status = (...events: string[]): unknown =>
      record(...events.map((event) => message(`BAR^${event}`, PID, 'IN1|1|PPO^Gold||Aetna'))).one('Account').status;
    expect(status('P01')).toBe('active');
    expect(status('P01', 'P05')).toBe('active');
    expect(status('P01', 'P06')).toBe('inactive');
    expect(status('P01', 'P06', 'P05')).toBe('inactive');
  });

  it('P02 closes the accounts of several patients and deletes nothing', () => {
    const other = PID.replace('123', '124').replace('A-9', 'A-8');
    const taken = record(message('BAR^P01', PID), message('BAR^P02', PID, other));
    expect(taken.all('Account').map(({ status }) => status)).toEqual(['inactive', 'inactive']);
    expect(taken.all('Patient')).toHaveLength(2);
  });

  it('a copy of the demographics never overwrites the registration', () => {
    const taken = record(message('ADT^A28', `${PID}`), message('BAR^P05', PID.replace('Doe^Jane', 'Wrong^Name')));
    expect(taken.one('Patient').name).toEqual([{ family: 'Doe', given: ['Jane'] }]);
  });
});
