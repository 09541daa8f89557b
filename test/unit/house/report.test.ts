/** The closing line of a test run, and what it names, from reports as vitest writes them. */
import { expect, it } from 'vitest';

interface Report {
  readonly summarize: (text: string, root: string) => { passed: number; failures: string[]; skipped: number };
}
const { summarize } = (await import(new URL('../../report.js', import.meta.url).href)) as Report;

const test = (fullName: string, status: string): object => ({ fullName, status });
const report = (testResults: readonly object[]): string => JSON.stringify({ testResults });

it('names failed tests, files that did not load, and files whose process ended', () => {
  const files = [
    { name: '/home/x/test/a.test.ts', status: 'passed', assertionResults: [test('fine', 'passed')] },
    {
      name: '/home/x/test/b.test.ts',
      status: 'failed',
      assertionResults: [test('in b', 'failed'), test('not here', 'skipped')],
    },
    { name: '/home/x/test/c.test.ts', status: 'failed', assertionResults: [] },
    // The process was ended: vitest calls the file passed, and its tests pending.
    {
      name: '/home/x/test/d.test.ts',
      status: 'passed',
      assertionResults: [test('loops', 'pending'), test('behind it', 'pending')],
    },
  ];
  expect(summarize(report(files), '/home/x')).toEqual({
    passed: 1,
    failures: [
      'test/b.test.ts > in b',
      'test/c.test.ts: it did not load',
      'test/d.test.ts: its process ended before its tests did',
    ],
    skipped: 1,
  });
});

it('has nothing to name where all is well', () => {
  const files = [{ name: 'a', status: 'passed', assertionResults: [test('x', 'passed'), test('y', 'todo')] }];
  expect(summarize(report(files), '/')).toEqual({
    passed: 1,
    failures: [],
    skipped: 1,
  });
});
