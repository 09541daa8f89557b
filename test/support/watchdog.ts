/**
 * In every test process: a test that never gives the event loop back (an endless loop) cannot be ended by its timeout, and would
 * hold up the run for ever. A thread of the same process notices, says which test it is, and ends the process: the run goes
 * on with the other files, and test/run.js counts this one as failed.
 */
import { Worker } from 'node:worker_threads';
import { beforeEach, expect } from 'vitest';

const EVERY_MS = 1_000;
/** Looks without a step: five minutes, longer than anything that a test runs synchronously. */
const TICKS = 300;

const beats = new Int32Array(new SharedArrayBuffer(4));
setInterval(() => Atomics.add(beats, 0, 1), EVERY_MS / 2).unref();
const thread = new Worker(new URL('./watchdog-thread.js', import.meta.url), {
  execArgv: [],
  workerData: { beats, file: expect.getState().testPath, everyMs: EVERY_MS, ticks: TICKS },
});
thread.unref();

beforeEach(({ task }) => thread.postMessage(task.name));
