import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  parseDtm,
  toFhirDate,
  toFhirDateTime,
  toFhirInstant,
  toFhirTime,
  toMillis,
  type Dtm,
  type ZoneRule,
} from '../../../../src/formats/hl7v2/dtm.ts';

function dtm(text: string): Dtm {
  const value = parseDtm(text);
  if (value === undefined) throw new Error(`${text} does not parse`);
  return value;
}

const BERLIN: ZoneRule = { zone: 'Europe/Berlin' };

describe('DTM', () => {
  it.each([
    '',
    '0',
    '00000000',
    '20240230',
    '20230229',
    '20241301',
    '202401012400',
    '2024010112601',
    '20240101 1200',
    '2024-01-01',
    'today',
    '+0100',
    '20240101+9900',
    '20240101.5',
  ])('trap: %j is no date and none is invented', (text) => {
    expect(parseDtm(text)).toBeUndefined();
  });

  it.each([
    ['1980', '1980'],
    ['198007', '1980-07'],
    ['19800704', '1980-07-04'],
    ['1980070413', '1980-07-04'],
    ['198007041305', '1980-07-04T13:05:00+02:00'],
    ['19800704130507', '1980-07-04T13:05:07+02:00'],
    ['19800704130507.1230', '1980-07-04T13:05:07.1230+02:00'],
    ['19800704130507-0500', '1980-07-04T13:05:07-05:00'],
    ['20240229', '2024-02-29'],
  ])('trap: the precision of %s is kept', (text, expected) => {
    expect(toFhirDateTime(dtm(text), { offset: 120 })).toBe(expected);
    expect(toFhirDate(dtm(text))).toBe(expected.slice(0, 10));
  });

  it('trap: the minus of a UTC offset is kept, half hours too', () => {
    expect(toFhirDateTime(dtm('202401011200-0330'), BERLIN)).toBe('2024-01-01T12:00:00-03:30');
    expect(toFhirDateTime(dtm('202401011200-0000'), BERLIN)).toBe('2024-01-01T12:00:00+00:00');
  });

  it('trap: zone of the source with daylight saving', () => {
    expect(toFhirDateTime(dtm('202401151200'), BERLIN)).toBe('2024-01-15T12:00:00+01:00');
    expect(toFhirDateTime(dtm('202407151200'), BERLIN)).toBe('2024-07-15T12:00:00+02:00');
    expect(toFhirDateTime(dtm('202407151200'), { zone: 'America/St_Johns' })).toBe('2024-07-15T12:00:00-02:30');
    expect(toFhirDateTime(dtm('189001011200'), BERLIN).slice(0, 16)).toBe('1890-01-01T12:00');
  });

  it('trap: the hour that comes twice is the first, the hour that is not there counts by the offset before', () => {
    expect(toFhirDateTime(dtm('20241027023000'), BERLIN)).toBe('2024-10-27T02:30:00+02:00');
    expect(toFhirDateTime(dtm('20241027033000'), BERLIN)).toBe('2024-10-27T03:30:00+01:00');
    expect(toFhirDateTime(dtm('20240331023000'), BERLIN)).toBe('2024-03-31T02:30:00+01:00');
    expect(toFhirDateTime(dtm('20240331033000'), BERLIN)).toBe('2024-03-31T03:30:00+02:00');
    expect(toFhirDateTime(dtm('20241103013000'), { zone: 'America/New_York' })).toBe('2024-11-03T01:30:00-04:00');
  });

  it('trap: no zone anywhere leaves only the date', () => {
    expect(toFhirDateTime(dtm('20240115123000'), {})).toBe('2024-01-15');
  });

  it('trap: an instant is never padded', () => {
    expect(toFhirInstant(dtm('202401151230'), BERLIN)).toBeUndefined();
    expect(toFhirInstant(dtm('20240115'), BERLIN)).toBeUndefined();
    expect(toFhirInstant(dtm('20240115123000'), {})).toBeUndefined();
    expect(toFhirInstant(dtm('20240115123000'), BERLIN)).toBe('2024-01-15T12:30:00+01:00');
  });

  it('gives milliseconds for ordering', () => {
    expect(toMillis(dtm('20240115123000.25'), BERLIN)).toBe(Date.parse('2024-01-15T11:30:00.250Z'));
    expect(toMillis(dtm('20240115'), {})).toBe(Date.parse('2024-01-15T00:00:00Z'));
    expect(toMillis(dtm('2024'), {})).toBeUndefined();
    expect(toMillis(dtm('00500101'), {})).toBeLessThan(0);
  });

  it('property: what parses is a real instant of the same wall clock', () => {
    const day = fc.date({
      min: new Date('1900-01-01T00:00:00Z'),
      max: new Date('2100-01-01T00:00:00Z'),
      noInvalidDate: true,
    });
    const zone = fc.constantFrom(
      'Europe/Berlin',
      'America/New_York',
      'Asia/Kolkata',
      'Australia/Lord_Howe',
      'Pacific/Apia',
      'UTC',
    );
    fc.assert(
      fc.property(day, zone, (date, name) => {
        const text = date.toISOString().slice(0, 19).replace(/[-T:]/g, '');
        const out = toFhirDateTime(dtm(text), { zone: name });
        expect(out.slice(0, 19).replace(/[-T:]/g, '')).toBe(text);
        expect(Date.parse(out)).not.toBeNaN();
      }),
      { numRuns: 300 },
    );
  });
});

describe('TM', () => {
  it.each([
    ['1305', '13:05:00'],
    ['130507', '13:05:07'],
    ['130507.25+0100', '13:05:07.25'],
    ['13', undefined],
    ['2400', undefined],
    ['1305.5', undefined],
  ])('%s', (text, expected) => {
    expect(toFhirTime(text)).toBe(expected);
  });
});
