import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../../src/core/errors.ts';
import {
  decimal,
  FhirDecimal,
  parseFhirJson,
  parseStoredJson,
  stringifyFhirJson,
} from '../../../../src/formats/fhir/json.ts';

const CAREFUL = [
  '1.0',
  '0.010',
  '65.80',
  '1e3',
  '1E-7',
  '-0',
  '-0.0',
  '0.0000001',
  '12345678901234567890',
  '1.2345678901234567',
];

describe('decimals', () => {
  it.each(CAREFUL)('%s is written back verbatim by both parsers', (number) => {
    for (const text of [`{"value":${number}}`, `{"value": ${number} }`, `[${number},1]`]) {
      const compact = text.replaceAll(' ', '');
      for (const parse of [parseFhirJson, parseStoredJson]) {
        const value = parse(parse === parseStoredJson ? compact : text);
        if (typeof value !== 'object' || value === null) throw new Error('not an object');
        expect(stringifyFhirJson(value)).toBe(compact);
      }
    }
  });

  it('leaves numbers plain that JavaScript writes back the same', () => {
    expect(parseFhirJson('[1,1.5,-3,0,100]')).toEqual([1, 1.5, -3, 0, 100]);
    expect(decimal('1.50')).toBeInstanceOf(FhirDecimal);
    expect(decimal('1.5')).toBe(1.5);
    expect(() => decimal('01')).toThrow(GatewayError);
    expect(() => decimal('')).toThrow(GatewayError);
  });

  it('property: any decimal text survives', () => {
    const digits = fc.stringMatching(/^\d{1,20}$/);
    fc.assert(
      fc.property(fc.boolean(), fc.nat(), fc.option(digits), (minus, whole, fraction) => {
        const number = `${minus ? '-' : ''}${whole}${fraction === null ? '' : `.${fraction}`}`;
        const text = `{"a":[{"value":${number}}],"b":"x"}`;
        for (const parse of [parseFhirJson, parseStoredJson]) {
          expect(stringifyFhirJson(Object(parse(text)))).toBe(text);
        }
      }),
    );
  });

  it('cannot be forged by a string', () => {
    const text = '{"a":"decimal:00000000-0000-0000-0000-000000000000:1","b":1.0}';
    expect(stringifyFhirJson(Object(parseFhirJson(text)))).toBe(text);
  });
});

describe('strict parsing', () => {
  it.each([
    '',
    '{',
    '{"a":1',
    '[1,]',
    '{"a":1,}',
    '{"a" 1}',
    '01',
    '+1',
    '.5',
    '1.',
    'nul',
    '"a',
    '"\\x"',
    '"\u0001"',
    '{} x',
    '{a:1}',
    "{'a':1}",
  ])('refuses %j', (text) => {
    expect(() => parseFhirJson(text)).toThrow(GatewayError);
  });

  it('refuses duplicate keys, prototype keys, depth, lone surrogates, bad UTF-8', () => {
    expect(() => parseFhirJson('{"a":1,"a":2}')).toThrow(/twice/);
    expect(() => parseFhirJson('{"__proto__":{}}')).toThrow(GatewayError);
    expect(() => parseFhirJson('['.repeat(100_000))).toThrow(/deeper/);
    expect(() => parseFhirJson('"\\ud800"')).toThrow(/Unicode/);
    expect(() => parseFhirJson(Buffer.from([0x22, 0xff, 0x22]))).toThrow(/UTF-8/);
    expect(parseFhirJson(Buffer.from('\ufeff{"a":"ü"}'))).toEqual({ a: 'ü' });
  });

  it('has no content in its messages', () => {
    for (const parse of [parseFhirJson, parseStoredJson]) {
      expect(() => parse('{"name":"CANARY" x}')).toThrow(
        expect.not.objectContaining({ message: expect.stringContaining('CANARY') }),
      );
    }
  });

  it('property: agrees with JSON.parse', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        let value: unknown;
        try {
          value = parseFhirJson(text);
        } catch {
          return;
        }
        expect(
          JSON.parse(
            JSON.stringify([value], (_, v) => (v instanceof FhirDecimal ? Number(v.text) : v)).replace(
              /"decimal:[^:]*:([^"]*)"/g,
              '$1',
            ),
          ),
        ).toEqual([JSON.parse(text)]);
      }),
    );
  });
});
