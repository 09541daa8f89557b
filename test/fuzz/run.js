// `npm run fuzz [-- --inputs 200000 --seed 1 --threads 2 --hang-ms 5000 --only INDEX --out FILE]`: damages messages, frames,
// resources, objects and PDUs, and looks for what must never happen: an error that is not the product's own, an input that takes
// longer than the bound, memory that grows, a tokenizer that loses a byte, a reference that leads nowhere. Inputs follow from
// seed and number alone. Prints progress and a summary as JSON; exit code 1 when anything was found.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '200000' },
    seed: { type: 'string', default: '1' },
    threads: { type: 'string', default: String(Math.min(8, availableParallelism())) },
    'hang-ms': { type: 'string', default: '5000' },
    only: { type: 'string' },
    out: { type: 'string' },
  },
});
const seed = Number(values.seed);
const hangMs = Number(values['hang-ms']);
const first = values.only === undefined ? 0 : Number(values.only);
const until = values.only === undefined ? Number(values.inputs) : first + 1;
const threads = values.only === undefined ? Number(values.threads) : 1;
const corpora = process.env.CORPORA_DIR;
if (![seed, hangMs, first, until, threads].every(Number.isSafeInteger)) {
  console.error('fuzz: --inputs, --seed, --threads, --hang-ms and --only take whole numbers');
  process.exit(64);
}
if (corpora === undefined) console.log('CORPORA_DIR is not set: only the samples of the product are damaged');

/** Heap of one thread, MB: far above what any input needs, far below what an unbounded one takes. */
const HEAP_MB = 768;
/** Growth of the live memory from the first third of a run to the last, MB, that counts as a leak. */
const GROWTH_MB = 48;
/** Findings that are kept. */
const KEPT = 200;

const startedAt = Date.now();
const findings = [];
const memory = [];
const counts = {};
let slowest = [];
let seeds = {};
let done = 0;
let folder;

function found(what, { index, bytes, ...more }) {
  console.log(`${what} at input ${index}: ${more.error ?? ''}`.trimEnd());
  if (findings.length >= KEPT) return;
  let file;
  if (bytes !== undefined) {
    folder ??= mkdtempSync(join(tmpdir(), 'anamnesis-fuzz-'));
    file = join(folder, `${seed}-${index}`);
    writeFileSync(file, bytes);
  }
  findings.push({ what, index, ...more, ...(file === undefined ? {} : { file }) });
}

/** Runs a share of the inputs; starts again behind an input that hangs or kills its thread. */
async function runShare(from) {
  const place = new BigInt64Array(new SharedArrayBuffer(16));
  const lost = await new Promise((resolve) => {
    const worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData: { seed, from, until, step: threads, corpora, place },
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    });
    let ended = false;
    const watch = setInterval(() => {
      const [index, since] = [Atomics.load(place, 0), Atomics.load(place, 1)];
      if (since === 0n || Date.now() - Number(since) < hangMs) return;
      clearInterval(watch);
      found('hang', { index: Number(index) });
      void worker.terminate();
    }, 100);
    worker.on('message', (message) => {
      if (message.kind === 'defect') found('defect', { ...message, kind: undefined });
      else if (message.kind === 'memory') {
        memory.push(message.megabytes);
        done += message.done;
        progress();
      } else {
        ended = true;
        for (const [name, count] of Object.entries(message.counts)) counts[name] = (counts[name] ?? 0) + count;
        slowest = [...slowest, ...message.slowest].toSorted((a, b) => b.ms - a.ms).slice(0, 5);
        seeds = message.seeds;
      }
    });
    worker.on('error', (error) => {
      if (Atomics.load(place, 1) === 0n) throw error;
      found('crash', { index: Number(Atomics.load(place, 0)), error: String(error?.stack ?? error).slice(0, 600) });
    });
    worker.on('exit', () => {
      clearInterval(watch);
      resolve(ended ? undefined : Number(Atomics.load(place, 0)));
    });
  });
  if (lost !== undefined && lost + threads < until) await runShare(lost + threads);
}

let told = 0;
function progress() {
  if (Date.now() - told < 5_000) return;
  told = Date.now();
  const rate = Math.round(done / ((told - startedAt) / 1000));
  console.log(`${done} of ${until} inputs, ${rate}/s, ${findings.length} findings`);
}

await Promise.all(Array.from({ length: threads }, (_, i) => runShare(first + i)));

const third = Math.floor(memory.length / 3);
const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;
const growth = third < 2 ? 0 : mean(memory.slice(-third)) - mean(memory.slice(0, third));
if (growth > GROWTH_MB) findings.push({ what: 'memory', growthMb: Math.round(growth) });
const seconds = (Date.now() - startedAt) / 1000;
const summary = {
  seed,
  inputs: until - first,
  seconds: Math.round(seconds),
  perSecond: Math.round((until - first) / seconds),
  seeds,
  counts: Object.fromEntries(Object.entries(counts).toSorted(([a], [b]) => a.localeCompare(b))),
  slowest,
  memory: { liveMb: Math.round(memory.at(-1) ?? 0), growthMb: Math.round(growth * 10) / 10 },
  findings,
};
if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify(summary, null, 2)}\n`);
console.log(JSON.stringify(summary, null, 2));
process.exitCode = findings.length > 0 ? 1 : 0;
