import { describe, expect, it } from 'vitest';
import { checkAccept, checkContentType, withoutFormat } from '../../../../../src/edge/http/fhir/negotiate.ts';
import { parseQueryString } from '../../../../../src/edge/http/query-string.ts';

describe('Accept', () => {
  it.each([
    undefined,
    '*/*',
    'application/fhir+json',
    'application/json',
    'application/fhir+xml;q=0.9, application/fhir+json',
    'text/html, */*;q=0.1',
    'application/fhir+json; fhirVersion=4.0',
  ])('%s is served', (accept) => {
    expect(() => checkAccept(accept, false)).not.toThrow();
  });

  it.each(['application/fhir+xml', 'text/html', 'application/fhir+json; fhirVersion=5.0', 'application/json;q=0', ''])(
    '"%s" is not',
    (accept) => {
      expect(() => checkAccept(accept, false)).toThrow(expect.objectContaining({ code: 'not-acceptable' }));
      expect(() => checkAccept(accept, true)).not.toThrow();
    },
  );
});

describe('_format', () => {
  it('is taken out where it asks for JSON', () => {
    expect(
      withoutFormat([
        ['_format', 'json'],
        ['a', 'b'],
      ]),
    ).toEqual([['a', 'b']]);
    expect(withoutFormat([['_format', 'application/fhir+json;charset=utf-8']])).toEqual([]);
    // An unescaped plus arrives as a space.
    expect(withoutFormat(parseQueryString('_format=application/fhir+json'))).toEqual([]);
    expect(() => withoutFormat([['_format', 'ttl']])).toThrow(expect.objectContaining({ code: 'not-acceptable' }));
  });
});

describe('Content-Type', () => {
  it.each(['application/fhir+json', 'application/json;charset=UTF-8', 'application/fhir+json; fhirVersion="4.0"'])(
    '%s is taken',
    (type) => {
      expect(() => checkContentType(type, 'json')).not.toThrow();
    },
  );

  it.each([undefined, '', 'text/plain', 'application/fhir+xml', 'application/json; charset=latin1'])(
    '%s is not',
    (type) => {
      expect(() => checkContentType(type, 'json')).toThrow(expect.objectContaining({ code: 'unsupported-media-type' }));
    },
  );
});

describe('a query string', () => {
  it('is decoded strictly', () => {
    expect(parseQueryString('a=b%20c+d&e&=f&g=h=i&&')).toEqual([
      ['a', 'b c d'],
      ['e', ''],
      ['', 'f'],
      ['g', 'h=i'],
    ]);
    expect(parseQueryString('')).toEqual([]);
    for (const bad of ['a=%', 'a=%zz', 'a=%ff', 'a=%00', '%C3=1']) {
      expect(() => parseQueryString(bad), bad).toThrow(expect.objectContaining({ code: 'invalid-syntax' }));
    }
    expect(() => parseQueryString('a=1&'.repeat(300))).toThrow(expect.objectContaining({ code: 'too-costly' }));
  });
});
