/** Watches what keeps the ledger's tables append-only: said at start, shown in the metrics, alarmed when it goes. */
import { describeError, type Log } from '../core/log.ts';
import type { GatewayMetrics } from '../edge/http/metrics.ts';
import { inspectProtections, type Protection } from '../storage/pg/protect.ts';
import type { Database } from './database.ts';
import type { Teardown } from './teardown.ts';

const EVERY_MS = 60_000;

/** Resolves with the protections that are missing now. */
export async function watchProtections(
  { pool, login }: Database,
  metrics: GatewayMetrics,
  log: Log,
  teardown: Teardown,
): Promise<readonly Protection[]> {
  let known: ReadonlySet<string> = new Set();
  const look = async (): Promise<readonly Protection[]> => {
    const all = await inspectProtections(pool, login);
    for (const { name, present } of all) {
      metrics.protection(name, present);
      if (!present && known.has(name)) log.error({ event: 'protection-lost', kind: name });
    }
    known = new Set(all.filter(({ present }) => present).map(({ name }) => name));
    return all.filter(({ present }) => !present);
  };
  const missing = await look();
  for (const { name } of missing) log.warn({ event: 'protection-missing', kind: name });
  const timer = setInterval(() => {
    look().catch((error: unknown) => log.warn({ event: 'protections-unknown', ...describeError(error) }));
  }, EVERY_MS).unref();
  teardown.add('protections', async () => clearInterval(timer));
  return missing;
}
