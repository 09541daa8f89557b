// What `npm test` runs: builds what is missing, runs all tests (or those named as arguments), and prints the name of each that
// failed and then the closing line `N passed, N failed` alone on a line. Exit code 0 only when nothing failed.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from '../bin/build.js';
import { summarize } from './report.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
let closed = false;
// A build that fails ends the process: that is a failed run, and must read as one.
process.on('exit', () => {
  if (!closed) console.log('\n0 passed, 1 failed');
});
build();

const folder = mkdtempSync(join(tmpdir(), 'anamnesis-run-'));
const report = join(folder, 'report.json');
const args = [
  join(root, 'node_modules', 'vitest', 'vitest.mjs'),
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${report}`,
];
const child = spawn(process.execPath, [...args, ...process.argv.slice(2)], {
  cwd: root,
  stdio: ['ignore', 'inherit', 'inherit'],
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));

child.on('exit', (code) => {
  const { passed, failures, skipped } = outcome();
  rmSync(folder, { recursive: true, force: true });
  // A run that broke outside any test (an unhandled error, no report) is a failure too.
  if (failures.length === 0 && code !== 0) failures.push('the run itself: see above');
  closed = true;
  for (const failure of failures) console.log(`FAILED ${failure}`);
  console.log(`\n${passed} passed, ${failures.length} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  process.exitCode = failures.length > 0 ? 1 : 0;
});

function outcome() {
  try {
    return summarize(readFileSync(report, 'utf8'), root);
  } catch {
    return { passed: 0, failures: [], skipped: 0 };
  }
}
