/** Tables that are looked up by text from outside have no prototype: `constructor` is no code of any of them. */
import { expect, test } from 'vitest';
import { codeTable } from '../../src/core/code-table.ts';
import { readSources } from './sources.ts';

/** A table of texts as an object literal: `const X: Readonly<Record<string, T>> = {`. */
const PLAIN = /^(?:export )?const (\w+): Readonly<Record<string, [^=]*= \{/gm;
/** A table that is written where it is looked up: `{ A: true }[code]`. */
const INLINE = /\{ [^{}$]*: [^{}]* \}\[\w/g;
const CODE_TABLE = /= codeTable\(/g;

const NAMES = ['constructor', 'toString', '__proto__', 'hasOwnProperty', 'valueOf', 'isPrototypeOf', ''];

test('no table of codes is a plain object', () => {
  const sources = readSources();
  const plain = sources.flatMap(({ path, code }) => [
    ...[...code.matchAll(PLAIN)].map(([, name]) => `${path}: ${String(name)}`),
    ...[...code.matchAll(INLINE)].map(([text]) => `${path}: ${text}`),
  ]);
  expect(plain).toEqual([]);
  const tables = sources.reduce((sum, { code }) => sum + [...code.matchAll(CODE_TABLE)].length, 0);
  expect(tables).toBeGreaterThan(80);
});

test('the rule finds what it is there to find', () => {
  expect('const A: Readonly<Record<string, string>> = {'.match(PLAIN)).not.toBeNull();
  expect('export const A: Readonly<Record<string, readonly [a: number]>> = {'.match(PLAIN)).not.toBeNull();
  expect('const x = { A: true, I: false }[code]'.match(INLINE)).not.toBeNull();
});

test('a table knows its own entries only', () => {
  const table = codeTable({ A: 1, B: 2 });
  expect([table.A, table.B, Object.keys(table)]).toEqual([1, 2, ['A', 'B']]);
  for (const name of NAMES) expect([name, table[name], name in table]).toEqual([name, undefined, false]);
  expect({ ...table, C: 3 }).toEqual({ A: 1, B: 2, C: 3 });
});
