import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { COMMANDS } from '../../../src/cli/commands.ts';

const FOLDER = join(import.meta.dirname, '..', '..', '..', 'src', 'cli');

it('explains every option that a command takes', () => {
  const help = Object.values(COMMANDS)
    .flatMap(({ usage, more = [] }) => [usage, ...more])
    .join('\n');
  const options = readdirSync(FOLDER)
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => [
      ...readFileSync(join(FOLDER, name), 'utf8').matchAll(/'?([a-z-]+)'?: \{ type: '(?:string|boolean)'/g),
    ])
    .map(([, option]) => option);
  expect(new Set(options).size).toBeGreaterThan(20);
  expect([...new Set(options)].filter((option) => !help.includes(`--${option}`))).toEqual([]);
});

it.each(Object.entries(COMMANDS))('%s is there, under the name that its usage begins with', async (name, entry) => {
  expect(entry.usage.split(' ')[0]).toBe(name);
  expect(typeof (await entry.load())).toBe('function');
});
