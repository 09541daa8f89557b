import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { systemRandom } from '../../../src/core/random.ts';
import { fileKeyProvider } from '../../../src/storage/key-file.ts';

const root = mkdtempSync(join(tmpdir(), 'anamnesis key file '));
afterAll(() => rmSync(root, { recursive: true }));

const cost = { memory: 64, passes: 1, lanes: 1 };
let folder = '';
let path = '';
beforeEach(() => {
  folder = mkdtempSync(join(root, 'case-'));
  path = join(folder, 'sub', 'gateway.key');
  writeFileSync(join(folder, 'pass'), 'correct horse battery\nsecond line');
  writeFileSync(join(folder, 'other'), 'wrong horse battery\n');
});
const plain = () => fileKeyProvider({ path, random: systemRandom, cost });
const encrypted = (name = 'pass') =>
  fileKeyProvider({ path, passphraseFile: join(folder, name), random: systemRandom, cost });
const load = { create: true };

test('the first load makes the file with mode 0600, later ones read the same keys', async () => {
  const first = await plain().load(load);
  expect(first).toMatchObject({ created: true, protected: false });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(join(folder, 'sub'))).toEqual(['gateway.key']);
  const second = await plain().load({ create: false });
  expect(second).toMatchObject({ created: false, keySet: { fingerprint: first.keySet.fingerprint } });
});

test('without create nothing is made', async () => {
  await expect(plain().load({ create: false })).rejects.toMatchObject({ code: 'not-found' });
  expect(readdirSync(folder)).not.toContain('sub');
});

test('providers that start together all get one key set', async () => {
  const all = await Promise.all(Array.from({ length: 8 }, () => plain().load(load)));
  expect(new Set(all.map(({ keySet }) => keySet.fingerprint)).size).toBe(1);
  expect(all.filter(({ created }) => created)).toHaveLength(1);
});

test('under a passphrase the file holds no key in plain and opens with that passphrase only', async () => {
  const { keySet } = await encrypted().load(load);
  const text = readFileSync(path, 'utf8');
  for (const key of [keySet.master, keySet.log.privateKey]) {
    const { k, d } = key.export({ format: 'jwk' });
    expect(text).not.toContain(k ?? d);
  }
  expect(await encrypted().load(load)).toMatchObject({ protected: true, keySet: { fingerprint: keySet.fingerprint } });
  await expect(encrypted('other').load(load)).rejects.toMatchObject({ code: 'forbidden' });
  await expect(plain().load(load)).rejects.toThrow('set KEY_PASSPHRASE_FILE');
});

test('a passphrase set later encrypts the file at the next start, and not at a mere read', async () => {
  const { keySet } = await plain().load(load);
  expect(await encrypted().load({ create: false })).toMatchObject({ protected: false });
  expect(await encrypted().load(load)).toMatchObject({ protected: true, keySet: { fingerprint: keySet.fingerprint } });
  expect(readFileSync(path, 'utf8')).not.toContain('keySet');
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('a file that others may read is refused', async () => {
  await plain().load(load);
  chmodSync(path, 0o640);
  await expect(plain().load(load)).rejects.toMatchObject({
    code: 'forbidden',
    message: expect.stringContaining('chmod 600'),
  });
});

test.each([['missing'], ['short'], ['empty']])('a %s passphrase is refused', async (name) => {
  if (name !== 'missing') writeFileSync(join(folder, name), name === 'short' ? 'elevenchars' : '\n\n');
  await expect(encrypted(name).load(load)).rejects.toMatchObject({ code: 'forbidden' });
});

test('any changed field of an encrypted file is noticed', async () => {
  await encrypted().load(load);
  const file: Record<string, unknown> = JSON.parse(readFileSync(path, 'utf8'));
  for (const [name, value] of Object.entries(file)) {
    const flipped = (text: string): string => (text.startsWith('A') ? 'B' : 'A') + text.slice(1);
    const changed = { ...file, [name]: typeof value === 'number' ? value + 1 : flipped(String(value)) };
    writeFileSync(path, JSON.stringify(changed));
    await expect(encrypted().load(load), name).rejects.toMatchObject({
      code: expect.stringMatching(/^(integrity|forbidden)$/),
    });
  }
});

test.each([
  ['an empty file', ''],
  ['half a file', '{"format":"anamnesis-key-file/1","prot'],
  ['a list', '[]'],
  ['another format', '{"format":"x"}'],
  ['a key set that is missing', '{"format":"anamnesis-key-file/1","protection":"none"}'],
  [
    'a cost that would take all memory',
    '{"format":"anamnesis-key-file/1","protection":"argon2id+aes-256-gcm","memory":999999999,"passes":1,"lanes":1}',
  ],
])('%s is refused as integrity and not overwritten', async (_, text) => {
  path = join(folder, 'gateway.key');
  writeFileSync(path, text, { mode: 0o600 });
  await expect(encrypted().load(load)).rejects.toMatchObject({ code: 'integrity' });
  expect(readFileSync(path, 'utf8')).toBe(text);
});
