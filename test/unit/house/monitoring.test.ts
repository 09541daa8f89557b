/** docs/monitoring.md and docs/prometheus-alerts.yaml against the code: every metric and log event is documented, and nothing else is. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const page = readFileSync(join(ROOT, 'docs', 'monitoring.md'), 'utf8');
const alerts = readFileSync(join(ROOT, 'docs', 'prometheus-alerts.yaml'), 'utf8');
const source = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !path.includes('fhir/definitions'))
  .map((path) => readFileSync(join(ROOT, 'src', path), 'utf8'))
  .join('\n');

function found(text: string, ...patterns: readonly RegExp[]): readonly string[] {
  return [...new Set(patterns.flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match[1])))].toSorted();
}

/** Names in the first column of the tables below a heading. */
function tabled(heading: string): readonly string[] {
  const section = page.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  const cells = section.split('\n').flatMap((line) => (line.startsWith('| `') ? [line.split('|')[1]] : []));
  return found(cells.join('\n'), /`([^`]+)`/g);
}

const metrics = found(source, /name: '(anamnesis_\w+)'/g, /gauge\('(anamnesis_\w+)'/g);

it('lists every metric that there is, and no other', () => {
  expect(metrics.length).toBeGreaterThan(20);
  expect(tabled('Metrics')).toEqual(metrics);
});

it('lists every event of the log, and no other', () => {
  const logged = found(
    source,
    /\bevent: '([a-z0-9.-]+)',? (?:\.\.\.|[a-z]|\})/gi,
    /\bevent: '([a-z0-9.-]+)',?\n/g,
    /\bevent: \w+ \? '([a-z0-9.-]+)'/g,
    /\bevent: \w+ \? '[a-z0-9.-]+' : '([a-z0-9.-]+)'/g,
    /#report\('([a-z0-9.-]+)'/g,
  ).filter((name) => !NOT_LOGGED.has(name));
  expect(logged.length).toBeGreaterThan(50);
  expect(tabled('The log')).toEqual(logged);
});

/** Members called `event` that are something else. */
const NOT_LOGGED = new Set(['context', 'planned', 'message']);

it('alarms on metrics and outcomes that there are, each with what to do', () => {
  const used = found(alerts, /(anamnesis_\w+?)(?:_count|_bucket)?[\s{[)]/g);
  expect(used.length).toBeGreaterThan(8);
  expect(used.filter((name) => !metrics.includes(name))).toEqual([]);
  expect(found(alerts, /alert: Anamnesis(\w+)/g)).toEqual(tabled('Alarms'));
});
