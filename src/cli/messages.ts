/**
 * `anamnesis messages list|show|reprocess|dismiss`: the HL7 v2 messages that the gateway keeps, and its quarantine. Works on the stored
 * ledger by the key file, whether the gateway runs or not.
 */
import { codeTable } from '../core/code-table.ts';
import { UsageError, type Command } from './command.ts';
import { dismissMessages } from './messages-dismiss.ts';
import { listMessagesCommand } from './messages-list.ts';
import { reprocessMessages } from './messages-reprocess.ts';
import { showMessage } from './messages-show.ts';

const ACTIONS: Readonly<Record<string, Command>> = codeTable({
  list: listMessagesCommand,
  show: showMessage,
  reprocess: reprocessMessages,
  dismiss: dismissMessages,
});

export const messages: Command = async ([action = '', ...args], context) => {
  if (!Object.hasOwn(ACTIONS, action)) {
    throw new UsageError('say `messages list`, `messages show LEAF`, `messages reprocess` or `messages dismiss`');
  }
  return ACTIONS[action](args, context);
};
