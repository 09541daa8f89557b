import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { findInputFiles } from '../../../src/cli/input-files.ts';

const root = mkdtempSync(join(tmpdir(), 'anamnesis input '));
afterAll(() => rmSync(root, { recursive: true }));

mkdirSync(join(root, 'study', 'series'), { recursive: true });
const part10 = Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), Buffer.alloc(8)]);
for (const [name, content] of Object.entries({
  'a.hl7': 'MSH|',
  'b.JSON': '{}',
  'study/IM0002': part10,
  'study/series/IM0001': part10,
  'study/c.dcm': 'whatever',
  'study/notes.txt': 'x',
  'study/.hidden.hl7': 'x',
  'study/d.hl7': 'MSH|',
  'study/e.txt': '\uFEFF\r\nFHS|^~\\&|A\rMSH|',
  'study/MSHA': 'MSHAPED',
  'out.dat': '\u000bMSH^~|\\&^LAB',
})) {
  writeFileSync(join(root, name), content);
}

function found(...names: string[]): Record<string, string[]> {
  const files = findInputFiles(names.map((name) => join(root, name)));
  return Object.fromEntries(
    Object.entries(files).map(([kind, paths]) => [kind, paths.map((path: string) => relative(root, path))]),
  );
}

test('names decide for files, contents in folders', () => {
  expect(found('b.JSON', 'a.hl7', 'study')).toEqual({
    hl7v2: ['a.hl7', 'study/d.hl7', 'study/e.txt'],
    dicom: ['study/IM0002', 'study/c.dcm', 'study/series/IM0001'],
    fhir: ['b.JSON'],
    skipped: ['study/MSHA', 'study/notes.txt'],
  });
});

test('a file that is named is never skipped', () => {
  expect(found('out.dat').hl7v2).toEqual(['out.dat']);
  expect(found('study/notes.txt').dicom).toEqual(['study/notes.txt']);
});

test('what is not there is said before anything is sent', () => {
  expect(() => found('a.hl7', 'missing.dcm')).toThrow('there is no file');
});
