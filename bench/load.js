// The load generator, a process of its own: one request in flight on each of its connections, answers checked, times kept.
// Talks to the bench over IPC: a job comes in; `measuring` and `measured` mark the window that counts; the result goes back.
import { sampleOru } from '../dist/cli/samples/hl7v2.js';
import { httpConnection, mllpConnection } from './connections.js';

/** Number of the first patient of those that come again and again. */
const KNOWN_FROM = 5_000_000;

/** Requests of each kind, by number. */
const REQUESTS = {
  oru:
    ({ first, patients }) =>
    (n) =>
      sampleOru(first + n, patients === undefined ? first + n : KNOWN_FROM + ((first + n) % patients)),
  get: ({ paths, token }) => {
    const heads = paths.map(
      (path) =>
        `GET ${path} HTTP/1.1\r\nHost: bench\r\nAccept: application/fhir+json\r\nAuthorization: Bearer ${token}\r\n\r\n`,
    );
    // Every path in turn, far apart: neighbours would share a sealed group.
    return (n) => heads[(n * 7_919) % heads.length];
  },
};

process.on('message', (job) => {
  run(job).then(
    (result) => process.send({ kind: 'result', result }),
    (error) => process.send({ kind: 'failed', message: String(error?.stack ?? error) }),
  );
});
process.on('disconnect', () => process.exit(0));

/** Warms up, measures, and waits for the last answers. `times`: milliseconds of every answer that came in the window. */
async function run({ request, protocol, address, connections, warmUp, seconds, ...rest }) {
  const make = REQUESTS[request](rest);
  const connect = protocol === 'mllp' ? mllpConnection : httpConnection;
  const clients = await Promise.all(Array.from({ length: connections }, () => connect(address)));
  const times = [];
  let next = 0;
  let bytes = 0;
  let stage = 'warm-up';
  const worker = async (client) => {
    while (stage !== 'over') {
      const text = make(next++);
      const startedAt = performance.now();
      const size = await client.exchange(text);
      if (stage === 'measuring') {
        times.push(performance.now() - startedAt);
        bytes += size;
      }
    }
  };
  const all = Promise.all(clients.map(worker));
  const wait = (ms) => Promise.race([new Promise((resolve) => setTimeout(resolve, ms)), all]);
  await wait(warmUp * 1000);
  process.send({ kind: 'measuring' });
  stage = 'measuring';
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  await wait(seconds * 1000);
  stage = 'over';
  const elapsed = (performance.now() - startedAt) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  process.send({ kind: 'measured' });
  await all;
  for (const client of clients) client.close();
  return { operations: times.length, sent: next, seconds: elapsed, times, bytes, loadCpu: user + system };
}
