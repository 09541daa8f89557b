/**
 * `anamnesis verify`: derives the whole ledger again with the independent implementation and says what is wrong and
 * where. Changes nothing; may run beside the gateway. Exit code 1 when anything is wrong.
 */
import { parseArgs } from 'node:util';
import { systemClock } from '../core/clock.ts';
import { FAULTS, type Fault } from '../ledger/verify.ts';
import { blobIntact } from '../services/blob-intact.ts';
import { verifyHashes } from '../services/verify-hashes.ts';
import { verifyLedger, type VerifyProgress, type VerifySummary } from '../services/verify-ledger.ts';
import { inspectProtections } from '../storage/pg/protect.ts';
import { EXIT, type CliContext, type Command } from './command.ts';
import { hashThread } from './hash-thread.ts';
import { progressBar, type Progress } from './progress.ts';
import { readSettings } from './settings.ts';
import { openStoredLedger, type StoredLedger } from './stored-ledger.ts';

/** Findings printed one by one; the rest is counted. */
const PRINTED = 1000;
/** Milliseconds between lines of progress where standard error is no terminal. */
const LINE_EVERY_MS = 10_000;

export const verify: Command = async (args, context) => {
  const { values } = parseArgs({
    args: [...args],
    options: { 'independent-signatures': { type: 'boolean' }, hashes: { type: 'boolean' } },
  });
  const config = readSettings(context);
  const ledger = await openStoredLedger(config);
  try {
    for (const { name, present, without } of await inspectProtections(ledger.pool, ledger.login)) {
      // A database that `rebuild` or `restore` has just filled has none yet.
      const advice = config.databaseUrl === undefined ? 'the next start of the gateway puts it on' : without;
      if (!present) context.out(`not protected (${name}): ${advice}`);
    }
    if (values.hashes === true) return await verifyStoredHashes(ledger, context);
    return await verifyStored(ledger, values['independent-signatures'] === true, context);
  } finally {
    await ledger.close();
  }
};

/** Verifies, prints findings and a closing line to `out`, progress to standard error; resolves with the exit code. */
export async function verifyStored(
  ledger: StoredLedger,
  independentSignatures: boolean,
  context: CliContext,
): Promise<number> {
  let printed = 0;
  let unsigned = 0;
  let origin = false;
  const progress = progressOf(context);
  const summary = await ledger.read((source) =>
    verifyLedger({
      source,
      keys: ledger.keys,
      blobIntact: blobIntact(ledger.blobs),
      independentSignatures,
      progress: progress.update,
      report: (fault) => {
        printed += 1;
        if (fault.kind === 'document-signature') unsigned += 1;
        if (fault.kind === 'head-mismatch' && fault.field === 'origin') origin = true;
        progress.hide();
        if (printed <= PRINTED) context.out(describeFault(fault));
      },
    }),
  );
  progress.hide();
  if (summary.faults > PRINTED) context.out(`... and ${summary.faults - PRINTED} more`);
  if (unsigned > 0 && unsigned === summary.documents) {
    context.out('no document has the right signature: is KEY_FILE the key file of this gateway?');
  }
  if (origin) context.out('the head row is of another origin: is GATEWAY_ORIGIN that of this gateway?');
  context.out(describeSummary(summary));
  return summary.faults === 0 ? EXIT.ok : EXIT.failed;
}

/** The fast pass (`verify-hashes`): the same lines, less looked at. */
async function verifyStoredHashes(ledger: StoredLedger, context: CliContext): Promise<number> {
  const progress = progressOf(context);
  const thread = hashThread();
  const verifying = ledger.read((source) =>
    verifyHashes({
      source,
      hash: (batch) => thread.hash(batch),
      keys: ledger.keys,
      progress: progress.update,
      report: (fault) => {
        progress.hide();
        context.out(describeFault(fault));
      },
    }),
  );
  const { size, documents, blocks, tiles, faults } = await verifying.finally(() => thread.close());
  progress.hide();
  const counts = `${documents} document digests, ${blocks} blocks, ${tiles} full tiles`;
  const outcome = faults === 0 ? 'nothing is wrong' : `${faults} ${faults === 1 ? 'fault' : 'faults'}`;
  context.out(`verified the hashes of a log of ${size} leaves: ${counts}: ${outcome}`);
  context.out('not looked at: signatures of documents, payloads, blobs; `anamnesis verify` does');
  return faults === 0 ? EXIT.ok : EXIT.failed;
}

/** One line: where, the stable name of the fault, what it means. */
function describeFault(fault: Fault): string {
  const places = [
    fault.block === undefined ? [] : [`block ${fault.block}`],
    fault.tile === undefined ? [] : [`tile ${fault.tile}`],
    fault.leaf === undefined ? [] : [`leaf ${fault.leaf}`],
    fault.ordinal === undefined ? [] : [`payload ${fault.ordinal}`],
    fault.field === undefined ? [] : [`field ${fault.field}`],
  ].flat();
  const place = places.length === 0 ? '' : `${places.join(', ')}: `;
  return `${place}${fault.kind}: ${FAULTS[fault.kind]}`;
}

function describeSummary(summary: VerifySummary): string {
  const { size, documents, payloads, blobs, blocks, tiles, faults } = summary;
  const outcome = faults === 0 ? 'nothing is wrong' : `${faults} ${faults === 1 ? 'fault' : 'faults'}`;
  const counts = `${documents} documents, ${payloads} payloads (${blobs} blobs), ${blocks} blocks, ${tiles} full tiles`;
  return `verified a log of ${size} leaves: ${counts}: ${outcome}`;
}

function progressOf(context: CliContext): { update: (progress: VerifyProgress) => void; hide: () => void } {
  const terminal = process.stderr;
  let bar: Progress | undefined;
  let lastLine = systemClock.now();
  return {
    update: ({ leaves, size }) => {
      bar ??= progressBar(terminal, size, () => systemClock.now());
      bar.update(leaves, 'leaves verified');
      if (terminal.isTTY || systemClock.now() - lastLine < LINE_EVERY_MS) return;
      lastLine = systemClock.now();
      context.err(`verified ${leaves} of ${size} leaves`);
    },
    hide: () => bar?.end(),
  };
}
