/**
 * Joins concurrent look-ups into batches: while one batch runs, what arrives waits and goes together in the next. Turns N
 * round trips of N concurrent messages into one, without timers and without delaying a lone caller.
 */

/**
 * `load` answers each key in order (one result a key). `concurrency`: batches under way at once. `max`: keys of a batch.
 * An error of a batch is the error of each of its keys.
 */
export function coalesce<K, V>(
  load: (keys: readonly K[]) => Promise<readonly V[]>,
  { concurrency = 1, max = 256 }: { readonly concurrency?: number; readonly max?: number } = {},
): (key: K) => Promise<V> {
  interface Waiting {
    readonly key: K;
    readonly resolve: (value: V) => void;
    readonly reject: (error: unknown) => void;
  }
  const queue: Waiting[] = [];
  let running = 0;

  async function run(): Promise<void> {
    const batch = queue.splice(0, max);
    try {
      const values = await load(batch.map(({ key }) => key));
      batch.forEach(({ resolve }, i) => resolve(values[i]));
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  function start(): void {
    if (running >= concurrency || queue.length === 0) return;
    running += 1;
    // Started after this turn, so that callers of the same turn share the batch.
    setImmediate(() => {
      void run().then(() => {
        running -= 1;
        start();
      });
    });
  }

  return (key) =>
    new Promise((resolve, reject) => {
      queue.push({ key, resolve, reject });
      start();
    });
}
