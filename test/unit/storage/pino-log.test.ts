import { expect, test } from 'vitest';
import type { LogFields } from '../../../src/core/log.ts';
import { pinoLog } from '../../../src/storage/pino-log.ts';

function written(fields: unknown, level: 'debug' | 'info' = 'info'): Record<string, unknown>[] {
  const lines: string[] = [];
  pinoLog(level, { write: (line) => void lines.push(line) }).info(fields as LogFields);
  return lines.map((line) => JSON.parse(line));
}

test('a line has level, time and the allowed fields', () => {
  expect(written({ event: 'started', port: 8080, listener: 'http' })).toEqual([
    { level: 'info', time: expect.stringMatching(/^\d{4}-.*Z$/), event: 'started', port: 8080, listener: 'http' },
  ]);
});

test('what is not on the list is left out: other names, nested values, errors, wrong types', () => {
  const canary = 'CANARY-NAME';
  const fields = {
    event: 'x',
    name: canary,
    msg: canary,
    err: new Error(canary),
    reason: { nested: canary },
    port: canary,
    count: [canary],
    route: new String(canary),
    __proto__: { reason: canary },
    toString: canary,
  };
  expect(JSON.stringify(written(fields))).not.toContain(canary);
  expect(written(fields)).toHaveLength(1);
});

test('texts are cut to their bound', () => {
  expect(String(written({ event: 'e'.repeat(500) })[0].event)).toHaveLength(64);
});
