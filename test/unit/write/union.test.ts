import fc from 'fast-check';
import { isDeepStrictEqual } from 'node:util';
import { expect, it } from 'vitest';
import { LIST_MAX_ENTRIES } from '../../../src/core/limits.ts';
import { union } from '../../../src/write/union.ts';

const entry = fc.oneof(
  fc.constantFrom('a', 'b', 1, null),
  fc.record(
    {
      reference: fc.constantFrom('Patient/1', 'Patient/2'),
      value: fc.oneof(fc.constantFrom('x', 'y'), fc.nat(2)),
      text: fc.constantFrom('t', 'u'),
      use: fc.constantFrom('old', 'usual'),
      system: fc.constantFrom('s', 't'),
    },
    { requiredKeys: [] },
  ),
);

it('property: adds what no entry equals, in order, as a comparison of all with all does', () => {
  fc.assert(
    fc.property(fc.array(entry), fc.array(entry), (current, added) => {
      const retired = (known: any, one: any): boolean =>
        known?.use === 'old' &&
        typeof one === 'object' &&
        one !== null &&
        isDeepStrictEqual(known, { ...one, use: 'old' });
      const extra = added.filter(
        (one) => !current.some((known) => isDeepStrictEqual(known, one) || retired(known, one)),
      );
      expect(union(current, added)).toEqual([...current, ...extra]);
    }),
  );
});

it('is the list itself when nothing is new', () => {
  const current = [{ reference: 'Patient/1' }];
  expect(union(current, [{ reference: 'Patient/1' }])).toBe(current);
});

it('refuses a list that fits into no resource', () => {
  const references = Array.from({ length: LIST_MAX_ENTRIES }, (_, i) => ({ reference: `Observation/${i}` }));
  expect(union([], references)).toHaveLength(LIST_MAX_ENTRIES);
  expect(() => union(references, [{ reference: 'Observation/x' }])).toThrow('at most');
});
