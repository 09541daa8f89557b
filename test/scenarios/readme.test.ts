/** The README's commands exist, and its two run. */
import { readFileSync } from 'node:fs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { runCommand } from '../support/gateway-process.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const scratch = mkdtempSync(join(tmpdir(), 'anamnesis readme '));
afterAll(() => rmSync(scratch, { recursive: true }));

function commandsOf(file: string): string[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block]) => block);
  return blocks
    .flatMap((block) => block.split('\n'))
    .map((line) => line.replace(/\s+#.*$/, '').trim())
    .filter((line) => line !== '');
}

const manifest: { scripts: Record<string, string> } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

test('the README names the two commands, and `npm` finds them', () => {
  const commands = commandsOf('README.md');
  expect(commands).toContain('npm ci && npm start');
  expect(commands).toContain('npm ci && npm test');
  expect([manifest.scripts.start, manifest.scripts.test]).toEqual([
    'node --max-semi-space-size=64 bin/anamnesis.js start',
    'node test/run.js',
  ]);
});

test('the gate ends with exactly the test command of the README', () => {
  expect(
    readFileSync(join(ROOT, '.ci', 'run'), 'utf8')
      .trimEnd()
      .split('\n')
      .at(-1),
  ).toBe("bash -c 'npm ci && npm test' </dev/null");
});

test('every `npx anamnesis` command of the documents is in the help', async () => {
  const files = ['README.md', 'CONTRIBUTING.md', 'docs/operations.md'];
  const text = files.map((file) => readFileSync(join(ROOT, file), 'utf8')).join('\n');
  const named = new Set([...text.matchAll(/npx anamnesis ([a-z]+)/g)].map(([, name]) => name));
  expect(named.size).toBeGreaterThan(5);
  const { code, stdout } = await runCommand(['help'], { dataDir: scratch });
  expect(code).toBe(0);
  const known = new Set([...stdout.matchAll(/^ {2}([a-z]+)/gm)].map(([, name]) => name));
  expect([...named].filter((name) => !known.has(name))).toEqual([]);
});

test('every other npm script of the documents exists', () => {
  const scripts = [...commandsOf('README.md'), ...commandsOf('CONTRIBUTING.md')].flatMap((line) =>
    [...line.matchAll(/npm run ([a-z:]+)/g)].map(([, name]) => name),
  );
  expect(scripts.filter((name) => !Object.hasOwn(manifest.scripts, name))).toEqual([]);
});

test('links between the documents lead somewhere', () => {
  for (const file of ['README.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md', 'SECURITY/THREATS.md', 'docs/operations.md']) {
    const text = readFileSync(join(ROOT, file), 'utf8');
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)].map(([, link]) => link);
    for (const link of links) expect(() => readFileSync(join(ROOT, file, '..', link)), link).not.toThrow(/ENOENT/);
  }
});

test.each(['version', 'help', 'help settings'])('`anamnesis %s` prints and ends', async (line) => {
  const { code, stdout, stderr } = await runCommand(line.split(' '), { dataDir: scratch });
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout.length).toBeGreaterThan(4);
});

test('a command that is none is refused with a hint', async () => {
  const { code, stderr } = await runCommand(['strat'], { dataDir: scratch });
  expect([code, stderr]).toEqual([64, expect.stringContaining('npx anamnesis help')]);
});
