// The thread of watchdog.ts: ends its own process when the main thread has not counted on for `ticks` looks in a row. Looks are
// counted, not time: a process that was stopped (Ctrl-Z, a sleeping laptop) stood still as a whole.
import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

const { beats, file, everyMs, ticks } = workerData;
let doing = 'before its first test';
let seen = -1;
let still = 0;

parentPort.on('message', (name) => (doing = name));
setInterval(() => {
  const now = Atomics.load(beats, 0);
  still = now === seen ? still + 1 : 0;
  seen = now;
  if (still < ticks) return;
  writeSync(2, `HANGS: ${file} > ${doing}: no step in ${(ticks * everyMs) / 1000} s, its process is ended\n`);
  process.kill(process.pid, 'SIGKILL');
}, everyMs);
