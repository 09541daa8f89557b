// One thread of a fuzzing run: inputs `from`, `from + step` ... below `until`. Before each it writes down which one it is,
// so that the main thread knows what a thread that hangs or dies was doing. Defects are reported and the run goes on.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort, workerData } from 'node:worker_threads';
import { inputOf } from './inputs.js';
import { loadProduct } from './product.js';
import { loadSeeds } from './seeds.js';
import { associations, createTargets } from './targets.js';

/** Inputs between two looks at the memory. */
const MEMORY_EVERY = 2_000;
/** Slowest inputs that are told of. */
const SLOWEST = 5;

const { seed, from, until, step, corpora, place } = workerData;
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');
const product = await loadProduct(new URL('../../dist/', import.meta.url), '.js');
const seeds = loadSeeds(product, corpora);
const sent = associations(product);
const targets = createTargets(product);
const counts = {};
let slowest = [];

const tell = (kind, more) => parentPort.postMessage({ kind, ...more });
for (let index = from, done = 0; index < until; index += step, done += 1) {
  Atomics.store(place, 0, BigInt(index));
  Atomics.store(place, 1, BigInt(Date.now()));
  const { kind, bytes, random } = inputOf(seed, index, seeds, sent);
  const startedAt = performance.now();
  try {
    const became = await targets[kind](bytes, random);
    counts[`${kind} ${became}`] = (counts[`${kind} ${became}`] ?? 0) + 1;
  } catch (error) {
    counts[`${kind} defect`] = (counts[`${kind} defect`] ?? 0) + 1;
    tell('defect', { index, input: kind, bytes, error: String(error?.stack ?? error).slice(0, 1500) });
  }
  const ms = performance.now() - startedAt;
  if (slowest.length < SLOWEST || ms > slowest.at(-1).ms) {
    slowest = [...slowest, { index, ms: Math.round(ms), bytes: bytes.length, input: kind }]
      .toSorted((a, b) => b.ms - a.ms)
      .slice(0, SLOWEST);
  }
  if (done % MEMORY_EVERY === MEMORY_EVERY - 1) {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    tell('memory', { done: MEMORY_EVERY, megabytes: (heapUsed + external) / 1e6 });
  }
}
// No input is under way any more.
Atomics.store(place, 1, 0n);
tell('end', {
  counts,
  slowest,
  seeds: { hl7v2: seeds.hl7v2.length, fhir: seeds.fhir.length, dicom: seeds.dicom.length },
});
