/** The command line as scripts and people use it: pipes that close, files that are not there, disks that are full, nothing behind DATABASE_URL. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { sampleOru } from '../../src/cli/samples/hl7v2.ts';
import { gatewayEnvironment, runCommand, startGatewayProcess } from '../support/gateway-process.ts';

const root = mkdtempSync(join(tmpdir(), 'anamnesis-command-line-'));
const BIN = join(import.meta.dirname, '..', '..', 'bin', 'anamnesis.js');
const options = { dataDir: join(root, 'data'), cwd: root };

afterAll(() => rmSync(root, { recursive: true, force: true }));

function run(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ readonly code: number | string; readonly stdout: string; readonly stderr: string }> {
  return runCommand(args, { ...options, env });
}

/** Runs the line in a shell; what it prints, and the exit codes of the parts of the pipe. */
async function shell(line: string, env: Record<string, string> = {}): Promise<string> {
  const child = spawn('bash', ['-c', `${line}; echo "codes \${PIPESTATUS[*]}"`], {
    cwd: root,
    env: { ...gatewayEnvironment({ ...options, env }), RUN: `${process.execPath} ${BIN}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await once(child, 'close');
  return output;
}

test('a reader that has seen enough ends a command that prints, without a word', async () => {
  writeFileSync(join(root, 'many.hl7'), Array.from({ length: 300 }, (_, n) => sampleOru(n + 1)).join(''));
  expect(await shell('$RUN convert many.hl7 | head -c 12')).toBe('{"resourceTycodes 141 0\n');
});

test.skipIf(!existsSync('/dev/full'))('what a full disk has swallowed is no success', async () => {
  const output = await shell('$RUN help settings > /dev/full');
  expect(output).toBe('anamnesis: standard output could not be written; what is missing there is lost\ncodes 1\n');
});

test('a gateway serves on when nobody reads its log, and drains when it is asked to', async () => {
  const port = await freePort();
  const child = spawn(process.execPath, [BIN, 'start'], {
    cwd: root,
    env: gatewayEnvironment({ ...options, env: { HTTP_PORT: String(port) } }),
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    const ended = once(child, 'exit');
    // The reader goes with the first that is written, as `head -1` does.
    child.stdout.once('data', () => child.stdout.destroy());
    const ready = async (): Promise<number | undefined> =>
      (await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined))?.status;
    await expect.poll(ready, { timeout: 60_000 }).toBe(200);
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  } finally {
    child.kill('SIGKILL');
  }
});

test('arguments that cannot be right are code 64 and say what is', async () => {
  const lines: readonly (readonly [readonly string[], RegExp])[] = [
    [['frobnicate'], /there is no command "frobnicate"/],
    [['help', 'frobnicate'], /there is no command "frobnicate"/],
    [['token', '--role', 'doctor', '--sub', 'x'], /the role is one of/],
    [['messages', 'list', '--reason', 'nonsense'], /--reason takes a code/],
    [['keys', 'recovery-kit', '--shares', '2', '--threshold', '3', 'kit'], /--threshold/],
    [['keys', 'passphrase', '--new-file', 'missing'], /missing cannot be read/],
    [['import', 'missing.archive'], /there is no file missing.archive/],
    [['export', '.'], /is not a file/],
  ];
  // A key file, so that what is refused is the argument.
  mkdirSync(join(root, 'data'), { recursive: true });
  for (const [args, words] of lines) {
    const { code, stderr } = await run(args);
    expect([args.join(' '), code, stderr]).toEqual([args.join(' '), 64, expect.stringMatching(words)]);
  }
}, 60_000);

test('a database that is not there is code 69, for every command, and no stack', async () => {
  const env = { DATABASE_URL: 'postgresql://gateway:secret@127.0.0.1:1/anamnesis' };
  for (const args of [['start'], ['prepare-database'], ['verify']]) {
    const { code, stderr } = await run(args, env);
    expect([args, code, stderr]).toEqual([
      args,
      69,
      expect.stringMatching(/^anamnesis: the database cannot be reached/),
    ]);
    expect(stderr).not.toMatch(/ at |secret/);
  }
}, 60_000);

test('a .env that is there and cannot be read is not passed over', async () => {
  const folder = join(root, 'other');
  mkdirSync(join(folder, '.env'), { recursive: true });
  const { code, stderr } = await runCommand(['keys', 'show'], { ...options, cwd: folder });
  expect([code, stderr]).toEqual([1, expect.stringMatching(/illegal operation on a directory|\.env/)]);
});

test('a misspelt setting in .env is said at start', async () => {
  const folder = join(root, 'misspelt');
  mkdirSync(folder);
  writeFileSync(join(folder, '.env'), 'LOG_LEVEL=warn\nTLS_MLLP_CAFILE=/etc/ca.pem\n');
  const gateway = await startGatewayProcess({ dataDir: join(folder, 'data'), cwd: folder });
  await gateway.stop();
  expect(gateway.output()).toContain('WARNING: .env holds what is no setting, and is passed over: TLS_MLLP_CAFILE.\n');
});

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net');
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
