/** The benchmark runs: product and baseline take the same messages, and both answer. Its figures are of no matter here. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

test('measures product and baseline', { timeout: 120_000 }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'anamnesis-bench-test-'));
  try {
    const file = join(dir, 'figures.json');
    const asked = [
      '--seconds',
      '0.4',
      '--warm-up',
      '0.2',
      '--rounds',
      '1',
      '--connections',
      '4',
      '--phases',
      'oru,read',
    ];
    const { status, stderr } = spawnSync(process.execPath, ['bench/run.js', ...asked, '--json', file], {
      encoding: 'utf8',
      timeout: 110_000,
    });
    expect(status, stderr).toBe(0);
    const { results } = JSON.parse(readFileSync(file, 'utf8')) as {
      results: Record<string, Record<string, { operations: number }>>;
    };
    for (const subject of ['gateway', 'baseline']) {
      for (const phase of ['oru', 'read']) expect(results[subject]?.[phase]?.operations).toBeGreaterThan(0);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
