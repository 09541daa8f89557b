import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { openHl7Files } from '../../../src/cli/hl7v2-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'anamnesis-files-'));
afterAll(() => rmSync(folder, { recursive: true }));

const message = (id: string): string => `MSH|^~\\&|A|B|C|D|2026||ADT^A01|${id}|P|2.5\rPID|1\r`;

async function open(text: string): Promise<{ ids: string[]; paths: string[]; count: number; problems: string[] }> {
  const path = join(folder, 'f.hl7');
  writeFileSync(path, text);
  const { count, items, problems } = await openHl7Files([path]);
  const found = [];
  for await (const item of items()) found.push(item);
  return {
    count,
    ids: found.map(({ message: bytes }) => String(bytes).split('|')[9]),
    paths: found.map((item) => item.path.slice(path.length)),
    problems: problems.map((one) => `${one.path.slice(path.length)}: ${one.problem}`),
  };
}

test('a message, several, a batch, a file of batches', async () => {
  expect(await open(message('1'))).toEqual({ count: 1, ids: ['1'], paths: [''], problems: [] });
  expect(await open(message('1') + message('2'))).toMatchObject({ ids: ['1', '2'], paths: ['#1', '#2'] });
  const file = `FHS|^~\\&\rBHS|^~\\&\r${message('1')}BTS|1\rBHS|^~\\&\r${message('2')}BTS|1\rFTS|2\r`;
  expect(await open(file)).toMatchObject({ count: 2, ids: ['1', '2'], problems: [] });
});

test('a batch that does not count right is not touched, the others are', async () => {
  const file = `FHS|^~\\&\rBHS|^~\\&\r${message('1')}BTS|2\rBHS|^~\\&\r${message('2')}BTS|1\rFTS|2\r`;
  expect(await open(file)).toEqual({
    count: 1,
    ids: ['2'],
    paths: ['#2'],
    problems: [' batch 1: its trailer counts 2 messages, it holds 1'],
  });
  expect(await open(file.replace('FTS|2', 'FTS|3'))).toEqual({
    count: 0,
    ids: [],
    paths: [],
    problems: [': its trailer counts 3 batches, it holds 2'],
  });
});

test('a file without a message says so, an empty batch does not', async () => {
  expect((await open('nothing')).problems).toEqual([': no HL7 v2 message in it']);
  expect(await open('BHS|^~\\&\rBTS|0\r')).toEqual({ count: 0, ids: [], paths: [], problems: [] });
});

test('a recording of MLLP frames, one of them cut off', async () => {
  const frame = (text: string): string => `\v${text}\u001c\r`;
  expect(await open(frame(message('1')))).toEqual({ count: 1, ids: ['1'], paths: [''], problems: [] });
  const batch = `BHS|^~\\&\r${message('3')}${message('4')}BTS|2\r`;
  const recorded = `\r\n${frame(message('1'))}\n\0${frame(message('2').trimEnd())}\v${message('x')}${frame(batch)}`;
  expect(await open(recorded)).toEqual({
    count: 4,
    ids: ['1', '2', '3', '4'],
    paths: ['#1', '#2', '#4', '#5'],
    problems: ['#3: its frame was cut off'],
  });
});

test('UTF-16 as Windows saves it', async () => {
  const path = join(folder, 'wide.hl7');
  writeFileSync(path, Buffer.from(`\ufeff${message('1')}`, 'utf16le'));
  const { count, problems } = await openHl7Files([path]);
  expect({ count, problems }).toEqual({ count: 1, problems: [] });
});

test('a file much larger than what is kept of it', async () => {
  const many = 40_000;
  const text = Array.from({ length: many }, (_, i) => message(String(i))).join('');
  const { ids, count } = await open(`BHS|^~\\&\r${text}BTS|${many}\r`);
  expect([count, ids.length, ids.at(-1)]).toEqual([many, many, String(many - 1)]);
});
