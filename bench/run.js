// `npm run bench`: drives the running product over its sockets, then the same messages and requests against plain JSONB without
// cryptography, consent and ledger, in the same run. Prints a table; docs/benchmarks.md says what the figures mean.
import { writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { fill, measure } from './phases.js';
import { readSettings, USAGE } from './settings.js';
import { startSubject } from './subject.js';
import { bars, table } from './table.js';

async function main(argv) {
  const settings = readSettings(argv);
  if (settings.help) return console.log(USAGE);
  const subjects = [];
  const stop = () => Promise.all(subjects.map((subject) => subject.stop()));
  const interrupted = () => void stop().then(() => process.exit(130));
  process.once('SIGINT', interrupted);
  let results;
  try {
    for (const name of settings.subjects) subjects.push(await startSubject(name, settings));
    results = await measure(subjects, settings, (name, phase, { perSecond }) =>
      console.error(`${name}: ${phase} ${Math.round(perSecond)}/s`),
    );
    for (const subject of subjects) {
      if (settings.fill === undefined) break;
      results[subject.name].fill = await fill(subject, settings, settings.fill, (name, held, perSecond) =>
        console.error(`${name}: ${held} resources, ${Math.round(perSecond)} messages/s`),
      );
    }
  } finally {
    process.off('SIGINT', interrupted);
    await stop();
  }
  const machine = {
    node: process.version,
    os: `${process.platform} ${release()}`,
    cpus: cpus().length,
    cpu: cpus()[0]?.model ?? '',
    memory: totalmem(),
  };
  const { help: _help, profileDir: _dir, json: _json, ...asked } = settings;
  const report = { at: new Date().toISOString(), machine, settings: asked, results, bars: bars(results) };
  console.log(table(report));
  if (settings.json !== '') writeFileSync(settings.json, `${JSON.stringify(report, undefined, 2)}\n`);
}

await main(process.argv.slice(2));
