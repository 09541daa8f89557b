/**
 * `anamnesis keys ...`: looking after the key file. What each action does to a running gateway and to the ledger stands in
 * docs/keys.md.
 */
import { codeTable } from '../core/code-table.ts';
import { EXIT, type CliContext, type Command } from './command.ts';
import { recover, recoveryKit } from './key-recovery.ts';
import { passphrase } from './key-passphrase.ts';
import { rotate } from './key-rotate.ts';
import { show } from './key-show.ts';

type Action = (args: readonly string[], context: CliContext) => Promise<number>;

const ACTIONS: Readonly<Record<string, { readonly usage: string; readonly run: Action }>> = codeTable({
  show: { usage: 'show', run: show },
  passphrase: { usage: 'passphrase --new-file FILE | --none', run: passphrase },
  rotate: { usage: 'rotate sign|witness|mirror|encrypt|issuer|master [--background]', run: rotate },
  'recovery-kit': { usage: 'recovery-kit --shares 5 --threshold 3 DIR', run: recoveryKit },
  recover: { usage: 'recover FILE...', run: recover },
});

export const keys: Command = async ([name = '', ...args], context) => {
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action !== undefined) return action.run(args, context);
  context.err(
    ['anamnesis: keys takes one of', ...Object.values(ACTIONS).map(({ usage }) => `  keys ${usage}`)].join('\n'),
  );
  return EXIT.usage;
};
