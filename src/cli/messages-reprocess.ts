/**
 * `anamnesis messages reprocess`: converts messages of the quarantine once more, oldest first. Names those that stay, and why;
 * exit code 1 when any did.
 */
import { parseArgs } from 'node:util';
import { systemClock } from '../core/clock.ts';
import type { LeafIndex } from '../core/ids.ts';
import { quarantineFilter } from '../services/list-messages.ts';
import { messagesInQuarantine, reprocessMessage, type Reprocessed } from '../services/reprocess-message.ts';
import { EXIT, UsageError, type CliContext, type Command } from './command.ts';
import { operatorName, withMessages, type MessageCare } from './message-care.ts';
import { chosenBy, leavesOf } from './messages-list.ts';
import { progressBar } from './progress.ts';
import { readSettings } from './settings.ts';

const WORDS: Readonly<Record<Reprocessed['outcome'], string>> = {
  converted: 'converted',
  already: 'out of quarantine before',
  'not-in-quarantine': 'not in quarantine',
  kept: 'still in quarantine',
};

export const reprocessMessages: Command = async (args, context) => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      all: { type: 'boolean', default: false },
      reason: { type: 'string' },
      source: { type: 'string' },
      since: { type: 'string' },
    },
  });
  const chosen = chosenBy(values);
  const many = values.all || Object.keys(chosen).length > 0;
  if (many === positionals.length > 0) {
    throw new UsageError('say which messages: LEAF..., --all, --reason CODE, --source NAME or --since DATE');
  }
  const named = leavesOf(positionals);
  const config = readSettings(context);
  return withMessages(config, async (care) => {
    const filter = quarantineFilter(care, chosen);
    const counts = await care.quarantine.countOpen(filter);
    const total = many ? [...counts.values()].reduce((sum, count) => sum + count, 0) : named.length;
    const leaves = many ? messagesInQuarantine(care, filter) : named;
    return run(care, leaves, total, operatorName(config), context);
  });
};

async function run(
  care: MessageCare,
  leaves: AsyncIterable<LeafIndex> | Iterable<LeafIndex>,
  total: number,
  who: Readonly<Record<string, string>>,
  { out, err }: CliContext,
): Promise<number> {
  const bar = progressBar(process.stderr, total, () => systemClock.now());
  const seen = new Map<Reprocessed['outcome'], number>();
  let done = 0;
  try {
    for await (const leaf of leaves) {
      const result = await reprocessMessage(care, leaf, who);
      seen.set(result.outcome, (seen.get(result.outcome) ?? 0) + 1);
      if (result.outcome === 'kept') {
        const { code, expression, text } = result.reason;
        err(`${leaf}: ${code}${expression === undefined ? '' : ` at ${expression}`}: ${text}`);
      }
      bar.update((done += 1), 'messages');
    }
  } finally {
    bar.end();
  }
  const parts = [...seen].map(([outcome, count]) => `${count} ${WORDS[outcome]}`);
  out(parts.length === 0 ? 'nothing is in quarantine' : parts.join(', '));
  return seen.has('kept') ? EXIT.failed : EXIT.ok;
}
