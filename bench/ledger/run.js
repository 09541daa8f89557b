// `npm run bench:ledger [-- --part NAME] [--seconds N] [--json FILE]`: the ledger alone, part by part, beside its baselines and
// bars. A part is a file of this folder that exports `measure(settings)` and resolves with rows of the table.
import { readdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';

const HELPERS = new Set(['run.js', 'database.js']);
const { values } = parseArgs({
  options: { part: { type: 'string' }, seconds: { type: 'string', default: '5' }, json: { type: 'string' } },
});
const files = readdirSync(import.meta.dirname).filter((file) => file.endsWith('.js') && !HELPERS.has(file));
const parts = files
  .map((file) => file.slice(0, -3))
  .filter((name) => values.part === undefined || name === values.part);
if (parts.length === 0) throw new Error(`there is no part ${values.part}; there are ${files.join(', ')}`);

const rows = [];
for (const part of parts) {
  console.error(`${part} ...`);
  const { measure } = await import(`./${part}.js`);
  for (const row of await measure({ seconds: Number(values.seconds) })) rows.push({ part, ...row });
}

const figure = (value) => (value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2));
for (const { name, value, unit, bar, most, detail } of rows) {
  const wanted = bar === undefined ? (most === undefined ? '' : `< ${figure(most)}`) : `>= ${figure(bar)}`;
  const met = bar === undefined ? most === undefined || value < most : value >= bar;
  const verdict = wanted === '' ? '' : met ? 'met' : 'MISSED';
  console.log(
    `${name.padEnd(44)} ${figure(value).padStart(10)} ${unit.padEnd(9)} ${wanted.padEnd(11)} ${verdict.padEnd(7)} ${detail ?? ''}`,
  );
}
if (values.json !== undefined) {
  const machine = { node: process.version, cpus: cpus().length, cpu: cpus()[0]?.model ?? '' };
  writeFileSync(values.json, `${JSON.stringify({ at: new Date().toISOString(), machine, rows }, undefined, 2)}\n`);
}
process.exit(0);
