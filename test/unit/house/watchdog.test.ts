/** A test process that stands still is ended and named; one that works on is left alone. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';

const THREAD = new URL('../../support/watchdog-thread.js', import.meta.url).href;
const folder = mkdtempSync(join(tmpdir(), 'anamnesis-watchdog-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs `body` beside the thread, in a process of its own, which is ended after a minute in any case. */
async function run(body: string): Promise<{ signal: unknown; said: string }> {
  const program = join(folder, 'program.mjs');
  writeFileSync(
    program,
    `import { Worker } from 'node:worker_threads';
    const beats = new Int32Array(new SharedArrayBuffer(4));
    setInterval(() => Atomics.add(beats, 0, 1), 5).unref();
    const workerData = { beats, file: 'some.test.ts', everyMs: 100, ticks: 20 };
    const thread = new Worker(new URL('${THREAD}'), { workerData });
    await new Promise((resolve) => thread.once('online', resolve));
    thread.unref();
    thread.postMessage('the test that hangs');
    ${body}`,
  );
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'ignore', 'pipe'], timeout: 50_000 });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const [, signal]: unknown[] = await once(child, 'close');
  return { signal, said };
}

it('an endless loop', async () => {
  expect(await run('for (;;);')).toEqual({
    signal: 'SIGKILL',
    said: 'HANGS: some.test.ts > the test that hangs: no step in 2 s, its process is ended\n',
  });
});

it('long waits are not standing still', async () => {
  expect(await run('await new Promise((resolve) => setTimeout(resolve, 4_000));')).toEqual({ signal: null, said: '' });
});
