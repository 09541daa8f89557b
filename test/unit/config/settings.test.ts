import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { envExample, SETTINGS, settingsTable } from '../../../src/config/settings.ts';

test('.env.example is what the table of settings makes', () => {
  expect(readFileSync('.env.example', 'utf8')).toBe(envExample());
});

test('docs/operations.md holds the table of settings', () => {
  // The formatter pads the columns of Markdown tables.
  const squeeze = (text: string): string =>
    text
      .replace(/ +/g, ' ')
      .replace(/-+/g, '-')
      .replace(/\| ?(?=\|)/g, '| ');
  expect(squeeze(readFileSync('docs/operations.md', 'utf8'))).toContain(
    squeeze(settingsTable()).split('\n').slice(2).join('\n'),
  );
});

test('the example with every comment mark taken away is a valid configuration', () => {
  const env = parseEnv(envExample().replaceAll(/^#(?=[A-Z_0-9]+=)/gm, ''));
  expect(Object.keys(env).toSorted()).toEqual(Object.keys(SETTINGS).toSorted());
  expect(loadConfig(env, '/')).toEqual(loadConfig({}, '/'));
});
