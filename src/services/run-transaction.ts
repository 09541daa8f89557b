/** Transaction: every entry in one message, hence one group commit, all or nothing. */
import type { Accepted } from '../write/submission.ts';
import { parseTransaction, type TransactionLimits } from './parse-transaction.ts';
import type { WriteRequest } from './authorize-write.ts';
import { submitChanges, type WriteDeps } from './write-changes.ts';

/** Results in the order of the entries. Throws what a single write throws; then nothing was stored. */
export async function runTransaction(
  deps: WriteDeps,
  request: Omit<WriteRequest, 'interaction'>,
  body: unknown,
  limits: TransactionLimits,
): Promise<Accepted> {
  const changes = parseTransaction(body, limits, deps.clock.now());
  return submitChanges(deps, { ...request, interaction: 'transaction' }, changes);
}
