/** `anamnesis messages list`: newest first, one line a message; `--json` gives one JSON object a line. */
import { parseArgs } from 'node:util';
import { isErrorCode } from '../core/errors.ts';
import type { LeafIndex } from '../core/ids.ts';
import { listMessages, parseLeaf, type MessageQuery } from '../services/list-messages.ts';
import type { MessageSummary } from '../services/stored-message.ts';
import { EXIT, UsageError, type Command } from './command.ts';
import { withMessages } from './message-care.ts';
import { readSettings } from './settings.ts';

/** Messages that are listed unless asked otherwise, and of one look-up. */
const LIMIT_DEFAULT = 50;
const PAGE = 500;

export const listMessagesCommand: Command = async (args, context) => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quarantined: { type: 'boolean', default: false },
      source: { type: 'string' },
      reason: { type: 'string' },
      since: { type: 'string' },
      limit: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const limit = values.limit === undefined ? LIMIT_DEFAULT : Number(values.limit);
  if (!Number.isSafeInteger(limit) || limit < 1) throw new UsageError('--limit takes a number from 1');
  const query = { quarantined: values.quarantined, ...chosenBy(values) };
  return withMessages(readSettings(context), async (care) => {
    let left = limit;
    if (!values.json) context.out(lineOf('LEAF', 'RECEIVED', 'SOURCE', 'MESSAGE', 'CONTROL ID', 'STATE'));
    for (let before: number | undefined = Number.MAX_SAFE_INTEGER; before !== undefined && left > 0;) {
      const page = await listMessages(care, { ...query, before, limit: Math.min(left, PAGE) });
      for (const message of page.messages) context.out(values.json ? JSON.stringify(message) : rowOf(message));
      left -= page.messages.length;
      before = page.next;
    }
    return EXIT.ok;
  });
};

/** What a person typed to choose messages by. Throws a UsageError. */
export function chosenBy(values: {
  readonly source?: string;
  readonly reason?: string;
  readonly since?: string;
}): Pick<MessageQuery, 'source' | 'reason' | 'since'> {
  const { source, reason } = values;
  if (reason !== undefined && !isErrorCode(reason))
    throw new UsageError(`--reason takes a code as \`messages list --quarantined\` shows it, such as not-supported`);
  const since = values.since === undefined ? undefined : Date.parse(values.since);
  if (Number.isNaN(since)) throw new UsageError('--since takes a date or an instant: 2026-01-31');
  return {
    ...(source !== undefined && { source }),
    ...(reason !== undefined && { reason }),
    ...(since !== undefined && { since }),
  };
}

/** Messages that a person named. Throws a UsageError. */
export function leavesOf(texts: readonly string[]): readonly LeafIndex[] {
  return texts.map((text) => {
    const leaf = parseLeaf(text);
    if (leaf === undefined) throw new UsageError(`${JSON.stringify(text)} is not a leaf: a number from 0`);
    return leaf;
  });
}

function rowOf(message: MessageSummary): string {
  const { leaf, received, source, controlId } = message;
  return lineOf(String(leaf), received.slice(0, 19), source, message.message, controlId, stateOf(message));
}

/** In a few words: what became of a message. */
export function stateOf({ quarantine, reprocessedBy, reprocessOf, dismissed }: MessageSummary): string {
  if (dismissed !== undefined) return `dismissed ${reprocessOf}: ${dismissed}`;
  if (reprocessOf !== undefined) return `reprocessed ${reprocessOf}`;
  if (quarantine === undefined) return 'converted';
  if (reprocessedBy !== undefined) return `out of quarantine by ${reprocessedBy}`;
  const { code, expression } = quarantine;
  return `quarantined: ${code}${expression === undefined ? '' : ` at ${expression}`}`;
}

function lineOf(...[leaf, received, source, message, controlId, state]: readonly string[]): string {
  return [
    leaf.padStart(8),
    received.padEnd(19),
    source.padEnd(12),
    message.padEnd(8),
    controlId.padEnd(20),
    state,
  ].join('  ');
}
