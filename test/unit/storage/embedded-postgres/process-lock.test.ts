import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { acquireLock, isAlive, processIdentity } from '../../../../src/storage/embedded-postgres/process-lock.ts';

const folder = mkdtempSync(join(tmpdir(), 'anamnesis-lock-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('a held lock is refused with the number of its holder, and can be taken when it is given back', () => {
  const file = join(folder, 'a.lock');
  const release = acquireLock(file, 'the data directory');
  expect(() => acquireLock(file, 'the data directory')).toThrow(`in use by another gateway (process ${process.pid})`);
  release();
  acquireLock(file, 'the data directory')();
});

test('a lock of a process that is gone is taken over', () => {
  const file = join(folder, 'b.lock');
  writeFileSync(file, '4194303\nsome boot 1\n');
  acquireLock(file, 'x');
  expect(readFileSync(file, 'utf8')).toContain(`${process.pid}\n`);
});

test('a lock whose number now belongs to another process is taken over', () => {
  const file = join(folder, 'c.lock');
  writeFileSync(file, `${process.ppid}\nanother boot 12\n`);
  acquireLock(file, 'x');
  expect(readFileSync(file, 'utf8')).toContain(`${process.pid}\n`);
});

test.each(['', 'garbage', '0\n\n', '-1\nx\n', `${process.ppid}\n\n`])(
  'an unreadable lock is taken over: %j',
  (text) => {
    const file = join(folder, 'd.lock');
    writeFileSync(file, text);
    acquireLock(file, 'x')();
  },
);

test('a release leaves the lock of a successor alone', () => {
  const file = join(folder, 'e.lock');
  const release = acquireLock(file, 'x');
  writeFileSync(file, 'of another');
  release();
  expect(readFileSync(file, 'utf8')).toBe('of another');
});

test('identity is empty for a process that does not exist', () => {
  expect(isAlive(4194303)).toBe(false);
  expect(processIdentity(4194303)).toBe('');
  expect(processIdentity(process.pid)).not.toBe('');
});
