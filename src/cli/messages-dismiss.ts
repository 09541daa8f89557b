/** `anamnesis messages dismiss LEAF... --because TEXT`: takes messages out of quarantine for good, with nothing made of them. */
import { parseArgs } from 'node:util';
import { dismissMessage } from '../services/dismiss-message.ts';
import { EXIT, UsageError, type Command } from './command.ts';
import { operatorName, withMessages } from './message-care.ts';
import { leavesOf } from './messages-list.ts';
import { readSettings } from './settings.ts';

const WORDS = { dismissed: 'dismissed', already: 'out of quarantine before', 'not-in-quarantine': 'not in quarantine' };

export const dismissMessages: Command = async (args, context) => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { because: { type: 'string' } },
  });
  const { because } = values;
  if (positionals.length === 0 || because === undefined)
    throw new UsageError('say which messages and why: `messages dismiss 17 --because "a test of the interface"`');
  const leaves = leavesOf(positionals);
  const config = readSettings(context);
  return withMessages(config, async (care) => {
    for (const leaf of leaves) {
      const { outcome } = await dismissMessage(care, leaf, because, operatorName(config));
      context.out(`${leaf}: ${WORDS[outcome]}`);
    }
    return EXIT.ok;
  });
};
