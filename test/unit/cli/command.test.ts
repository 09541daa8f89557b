import { expect, it } from 'vitest';
import { joinOptionValues } from '../../../src/cli/command.ts';

it('takes a value that begins with a dash for what it is', () => {
  expect(joinOptionValues(['r', '--sign-key', '-abc', '--document', 'd'], ['sign-key'])).toEqual([
    'r',
    '--sign-key=-abc',
    '--document',
    'd',
  ]);
  expect(joinOptionValues(['--sign-key'], ['sign-key'])).toEqual(['--sign-key']);
});
