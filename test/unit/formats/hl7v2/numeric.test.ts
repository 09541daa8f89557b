import { describe, expect, it } from 'vitest';
import { decimalText } from '../../../../src/formats/fhir/json.ts';
import { parseCompared, parseNm, toComparator } from '../../../../src/formats/hl7v2/numeric.ts';

describe('trap: NM is kept digit for digit', () => {
  it.each([
    ['1.0', '1.0'],
    ['5.0', '5.0'],
    ['065.88', '65.88'],
    ['065.80', '65.80'],
    ['-0012', '-12'],
    ['+3.10', '3.10'],
    ['.5', '0.5'],
    ['7.', '7'],
    ['0', '0'],
    ['-0', '0'],
    ['000', '0'],
    ['12345678901234567890.1', '12345678901234567890.1'],
  ])('%s', (text, expected) => {
    const value = parseNm(text);
    expect(value === undefined ? undefined : decimalText(value)).toBe(expected);
  });

  it.each(['', '.', '-', '<5', '>=1:128', '1,234', '1e3', 'NEG', '1 2', '--1', '1.2.3', '0x10', 'NaN'])(
    '%j is no number',
    (text) => {
      expect(parseNm(text)).toBeUndefined();
    },
  );
});

describe('trap: comparators', () => {
  it('reads a number with its comparator', () => {
    expect(parseCompared('<5')).toEqual({ comparator: '<', value: 5 });
    expect(parseCompared('>= 2.5')).toEqual({ comparator: '>=', value: 2.5 });
    expect(parseCompared('>=1:128')).toBeUndefined();
    expect(parseCompared('<>5')).toBeUndefined();
  });

  it('SN = has none, <> is none', () => {
    expect(toComparator('=')).toBeUndefined();
    expect(toComparator('<>')).toBeUndefined();
    expect(toComparator('>=')).toBe('>=');
  });
});
