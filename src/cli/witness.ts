/**
 * `anamnesis witness`: what this gateway has found out about other logs. `evidence` prints every proof of two trees and which
 * origins are frozen; `lift ORIGIN` lets cosigning go on, which only a person decides who has read the evidence.
 */
import { frozenOrigins, liftFreeze, checkpointStore } from '../storage/pg/checkpoint-store.ts';
import type { Pool } from '../storage/pg/pool.ts';
import { EXIT, UsageError, type CliContext, type Command } from './command.ts';
import { openStoredLedger } from './stored-ledger.ts';
import { readSettings } from './settings.ts';

export const witness: Command = async ([action, origin, ...more], context) => {
  const listing = action === 'evidence' && origin === undefined;
  if (!listing && (action !== 'lift' || origin === undefined || more.length > 0)) {
    throw new UsageError('say `witness evidence` or `witness lift ORIGIN`');
  }
  const ledger = await openStoredLedger(readSettings(context));
  try {
    return await (origin === undefined ? list(ledger.pool, context) : lift(ledger.pool, origin, context));
  } finally {
    await ledger.close();
  }
};

async function list(pool: Pool, { out }: CliContext): Promise<number> {
  const [evidence, frozen] = [await checkpointStore(pool, 'witness').evidence(), await frozenOrigins(pool)];
  for (const { origin, size, foundAt, first, second } of evidence) {
    out(`${origin}: two trees of ${size} leaves, found ${new Date(foundAt).toISOString()}\n\n${first}\n${second}`);
  }
  out(frozen.length === 0 ? 'no origin is frozen' : `frozen: ${frozen.join(', ')}`);
  return EXIT.ok;
}

async function lift(pool: Pool, origin: string, { out, err }: CliContext): Promise<number> {
  if (!(await liftFreeze(pool, origin))) {
    err(`anamnesis: ${origin} is not frozen`);
    return EXIT.failed;
  }
  out(`${origin} is cosigned again from its last accepted checkpoint on; the evidence stays`);
  return EXIT.ok;
}
