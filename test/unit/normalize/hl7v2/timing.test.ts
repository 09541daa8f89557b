import { describe, expect, it } from 'vitest';
import { validateResource } from '../../../../src/formats/fhir/validate.ts';
import { hl7, MemoryRecord, segment } from '../../../support/hl7v2.ts';

const PID = 'PID|1||123^^^HOSP^MR||Doe^Jane||19800704|F';
const ORC = 'ORC|NW|P1^EHR';
const RXE = segment('RXE', { 2: '2^prednisone^L', 3: '20', 5: 'mg' });

/** The only resource of a type that a message makes; every resource of it is valid R4. */
const made = (type: string, message: string, ...segments: string[]): any => {
  const record = new MemoryRecord(hl7(message, [PID, ...segments]));
  for (const resource of record.all()) expect(validateResource(resource), resource.resourceType).toEqual([]);
  return record.one(type);
};
const dosages = (...segments: string[]): any[] =>
  made('MedicationRequest', 'RDE^O11', ORC, ...segments).dosageInstruction;
const pattern = (text: string): any => dosages(RXE, segment('TQ1', { 3: text }))[0];

describe('trap: the sig of a prescription', () => {
  it.each([
    ['Q4-6H', { frequency: 1, period: 4, periodMax: 6, periodUnit: 'h' }],
    ['Q1J135', { period: 1, periodUnit: 'wk', dayOfWeek: ['mon', 'wed', 'fri'] }],
    ['ACM', { when: ['ACM'] }],
    ['HS', { frequency: 1, period: 1, periodUnit: 'd', when: ['HS'] }],
    ['QAM~QHS', { frequency: 1, period: 1, periodUnit: 'd', when: ['MORN', 'HS'] }],
    ['^^^^3^d', { period: 3, periodUnit: 'd' }],
    ['QD^^^^^^^PC^30^min', { frequency: 1, period: 1, periodUnit: 'd', when: ['PC'], offset: 30 }],
    ['QD^DW^2^4', { frequency: 1, period: 1, periodUnit: 'd', dayOfWeek: ['tue', 'wed', 'thu'] }],
  ])('RPT %s', (text, repeat) => {
    expect(pattern(text).timing.repeat).toEqual(repeat);
  });

  it.each(['C', 'Q6-4H', 'constructor', 'QAM~BID'])('%s means nothing that R4 can say, and keeps its code', (text) => {
    const { timing } = pattern(text);
    expect(timing.repeat).toBeUndefined();
    expect(JSON.stringify(timing.code)).toContain(text.split('~').join(', '));
  });

  it.each(['PRN', 'PRNQ6H', 'Q6H PRN', 'BIDPRN'])('%s is as needed', (text) => {
    expect(pattern(text).asNeededBoolean).toBe(true);
  });

  it('from when until when is not lost without a pattern', () => {
    const bounds = (from: string, to: string): unknown => dosages(RXE, segment('TQ1', { 7: from, 8: to }))[0].timing;
    expect(bounds('20260301', '20260308')).toEqual({
      repeat: { boundsPeriod: { start: '2026-03-01', end: '2026-03-08' } },
    });
    expect(bounds('', '20260308')).toEqual({ repeat: { boundsPeriod: { end: '2026-03-08' } } });
  });

  it('RXE-1 and repeated TQ of versions before 2.5 are its timing', () => {
    const old = segment('RXE', {
      1: '1^BID^^20260301^20260305^^^^S~1^QD^^20260306',
      2: '2^prednisone^L',
      3: '20',
      5: 'mg',
    });
    expect(dosages(old)).toMatchObject([
      { sequence: 1, timing: { repeat: { frequency: 2, boundsPeriod: { end: '2026-03-05' } } } },
      { sequence: 2, timing: { repeat: { frequency: 1, boundsPeriod: { start: '2026-03-06' } } } },
    ]);
    expect(dosages(segment('RXE', { 1: '^Q8H^X6', 2: '2^x^L', 3: '1' }))[0].timing.repeat).toMatchObject({ count: 6 });
  });

  it('a most of nothing is no range', () => {
    const [dosage] = dosages(segment('RXE', { 2: '2^x^L', 3: '5', 4: '0', 5: 'mg' }));
    expect(dosage.doseAndRate[0]).toMatchObject({ doseQuantity: { value: 5 } });
    const [reversed] = dosages(segment('RXE', { 2: '2^x^L', 3: '10.0', 4: '5', 5: 'mg' }));
    expect(reversed).toEqual({ text: '10.0 - 5 mg' });
    const give = segment('RXG', { 1: '1', 4: '2^x^L', 5: '10', 6: '5', 7: 'mg' });
    const record = new MemoryRecord(hl7('RGV^O15', [PID, ORC, give]));
    expect(JSON.stringify(record.all('MedicationRequest'))).toContain('10 - 5 mg');
  });

  it('an amount for so much time is a rate, not a dose', () => {
    const infusion = segment('RXE', { 2: '2^saline^L', 3: '100', 5: 'mL', 22: 'H1' });
    const [{ doseAndRate }] = dosages(infusion);
    expect(doseAndRate[0]).toMatchObject({
      rateRatio: { numerator: { unit: 'mL' }, denominator: { value: 1, code: 'h' } },
    });
    expect(doseAndRate[0].doseQuantity).toBeUndefined();
    const stated = segment('RXE', { 2: '2^saline^L', 3: '500', 5: 'mL', 22: 'H1', 23: '100', 24: 'mL/h' });
    expect(dosages(stated)[0].doseAndRate[0]).toMatchObject({
      doseQuantity: { unit: 'mL' },
      rateQuantity: { unit: 'mL/h' },
    });
    const given = segment('RXA', { 2: '1', 3: '20260301', 5: '2^saline^L', 6: '100', 7: 'mL', 12: 'M30' });
    expect(made('MedicationAdministration', 'RAS^O17', ORC, given).dosage).toMatchObject({
      rateRatio: { denominator: { value: 30, code: 'min' } },
    });
  });
});

describe('trap: when a service is wanted', () => {
  const OBR = 'OBR|1|P1^EHR||57021-8^CBC^LN';
  const request = (...tq1: Readonly<Record<number, string>>[]): any =>
    made('ServiceRequest', 'OML^O21', ORC, ...tq1.map((fields) => segment('TQ1', fields)), OBR);

  it('moments of several TQ1 are events; an end alone is kept', () => {
    expect(request({ 7: '20260301' }, { 7: '20260302' }, { 7: '20260303' }).occurrenceTiming).toEqual({
      event: ['2026-03-01', '2026-03-02', '2026-03-03'],
    });
    expect(request({ 8: '20260308' }).occurrencePeriod).toEqual({ end: '2026-03-08' });
    expect(request({ 3: 'BID', 7: '20260301' }, { 7: '20260302' }).occurrenceTiming.repeat.frequency).toBe(2);
  });
});
