// What `npm test` runs: builds what is missing, runs all tests (or those named as arguments), and prints the closing line
// `N passed, N failed` alone on a line. Exit code 0 only when nothing failed.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from '../bin/build.js';

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
  const { passed, failed, skipped } = counts();
  rmSync(folder, { recursive: true, force: true });
  // A run that broke outside any test (an unhandled error, a file that does not load) is a failure too.
  const failures = failed === 0 && code !== 0 ? 1 : failed;
  closed = true;
  console.log(`\n${passed} passed, ${failures} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  process.exitCode = failures > 0 ? 1 : 0;
});

/** Counts of the report; a file that failed before its first test counts as one failure. */
function counts() {
  try {
    const {
      numPassedTests: passed,
      numFailedTests,
      numPendingTests,
      numTodoTests,
      testResults,
    } = JSON.parse(readFileSync(report, 'utf8'));
    const unloaded = testResults.filter(
      (file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
    ).length;
    return { passed, failed: numFailedTests + unloaded, skipped: numPendingTests + numTodoTests };
  } catch {
    return { passed: 0, failed: 0, skipped: 0 };
  }
}
