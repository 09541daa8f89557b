import { expect, test } from 'vitest';
import { summary } from '../../../src/cli/sent.ts';

test('the summary counts by answer and names what was refused', () => {
  expect(
    summary('MLLP', [
      { path: 'a', accepted: true, answer: 'AA' },
      { path: 'b', accepted: true, answer: 'AA' },
      { path: 'c', accepted: false, answer: 'AR', problem: 'unsupported event' },
    ]),
  ).toEqual(['MLLP: 2 accepted, 1 refused (2 × AA, 1 × AR)', '  c: AR, unsupported event']);
});

test('what was taken with a warning is named too', () => {
  expect(
    summary('MLLP', [
      { path: 'a', accepted: true, answer: 'AA' },
      { path: 'b', accepted: true, answer: 'AA', warning: '201 kept, not converted yet' },
    ]),
  ).toEqual(['MLLP: 2 accepted, 0 refused (2 × AA)', '  b: AA, 201 kept, not converted yet']);
});

test('many refusals are cut short', () => {
  const sent = Array.from({ length: 50 }, (_, i) => ({ path: String(i), accepted: false, answer: 'AE' }));
  expect(summary('MLLP', sent).at(-1)).toBe('  and 30 more');
});
