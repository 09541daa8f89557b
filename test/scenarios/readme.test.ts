/** The README's commands exist, and its two run. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
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

/** The anchor that a heading gets where Markdown is shown. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}

test('links between the documents lead somewhere, to the heading that they name', () => {
  const docs = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'));
  const files = ['README.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md', 'CHANGELOG.md', 'SECURITY/THREATS.md'];
  let seen = 0;
  for (const file of [...files, ...docs.map((name) => `docs/${name}`)]) {
    const text = readFileSync(join(ROOT, file), 'utf8');
    for (const [, path, anchor] of text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)) {
      seen += 1;
      const target = path === '' ? join(ROOT, file) : join(ROOT, file, '..', path);
      expect(existsSync(target), `${file}: ${path}`).toBe(true);
      if (anchor === undefined) continue;
      const headings = [...readFileSync(target, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
        anchorOf(heading),
      );
      expect(headings, `${file}: ${path}#${anchor}`).toContain(anchor);
    }
  }
  expect(seen).toBeGreaterThan(50);
});

test('every page of the documentation is in its index', () => {
  const index = readFileSync(join(ROOT, 'docs', 'README.md'), 'utf8');
  const pages = readdirSync(join(ROOT, 'docs')).filter((name) => /\.(md|yaml)$/.test(name) && name !== 'README.md');
  expect(pages.filter((name) => !index.includes(`](${name})`))).toEqual([]);
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
