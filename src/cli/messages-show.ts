/**
 * `anamnesis messages show LEAF`: what the gateway keeps of one message besides its content. `--raw` prints the bytes as they
 * came, for who can read the key file; the access is anchored first.
 */
import { parseArgs } from 'node:util';
import { GatewayError } from '../core/errors.ts';
import { systemRandom, randomUuid } from '../core/random.ts';
import { parseLeaf } from '../services/list-messages.ts';
import { showRaw } from '../services/show-raw.ts';
import type { Level } from '../services/peer-services.ts';
import { storedMessage, type StoredMessage } from '../services/stored-message.ts';
import { EXIT, UsageError, type Command } from './command.ts';
import { operator, withMessages } from './message-care.ts';
import { stateOf } from './messages-list.ts';
import { readSettings } from './settings.ts';

export const showMessage: Command = async (args, context) => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false }, raw: { type: 'boolean', default: false } },
  });
  const [text, ...more] = positionals;
  const leaf = text === undefined ? undefined : parseLeaf(text);
  if (leaf === undefined || more.length > 0) throw new UsageError('say which message, by its leaf: `messages show 17`');
  const config = readSettings(context);
  return withMessages(config, async (care) => {
    if (values.raw) {
      writeRaw(await showRaw(care, operator(config), leaf, randomUuid(systemRandom)));
      return EXIT.ok;
    }
    const message = await storedMessage(care, leaf);
    if (message === undefined) throw new GatewayError('not-found', 'this leaf is not that of an HL7 v2 message');
    const level = await care.levelOf(leaf);
    const lines = values.json ? [JSON.stringify({ ...message, level })] : linesOf(message, level);
    for (const line of lines) context.out(line);
    return EXIT.ok;
  });
};

/** Byte for byte into a file or pipe; a terminal would write all segments over each other, and gets line feeds. */
function writeRaw(bytes: Buffer): void {
  const shown = process.stdout.isTTY ? Buffer.from(bytes.map((byte) => (byte === 0x0d ? 0x0a : byte))) : bytes;
  process.stdout.write(shown);
}

function linesOf(message: StoredMessage, level: Level): readonly string[] {
  const { quarantine } = message;
  const rows: readonly (readonly [string, string | number | undefined])[] = [
    ['leaf', message.leaf],
    ['message', `${message.message}${message.version === undefined ? '' : `, version ${message.version}`}`],
    ['control id', message.controlId],
    ['same id as', message.sameControlId],
    ['source', message.source],
    ['sender', message.sender],
    ['receiver', message.receiver],
    ['made', message.messageTime],
    ['received', message.received],
    ['bytes', message.bytes],
    ['state', stateOf(message)],
    ['level', level],
    ['reason', quarantine?.text],
    ['not mapped', unmappedOf(message.unmapped)],
    ['left out', omissionsOf(message.omissions)],
  ];
  return rows.flatMap(([name, value]) => (value === undefined || value === '' ? [] : [`${name.padEnd(11)} ${value}`]));
}

/** `ZPI, NTE (3)`. */
function unmappedOf(unmapped: unknown): string {
  if (typeof unmapped !== 'object' || unmapped === null) return '';
  return Object.entries(unmapped)
    .map(([id, count]) => (count === 1 ? id : `${id} (${String(count)})`))
    .join(', ');
}

/** `OBX[3]-5 (not-a-date)`. */
function omissionsOf(omissions: unknown): string {
  if (!Array.isArray(omissions)) return '';
  return omissions
    .flatMap((one: unknown) => {
      if (typeof one !== 'object' || one === null || !('location' in one) || !('reason' in one)) return [];
      return [`${String(one.location)} (${String(one.reason)})`];
    })
    .join(', ');
}
