/**
 * Checkpoints (C2SP tlog-checkpoint v1.0.0): a signed note whose text is origin, tree size and root hash, one a line.
 * We write no extension lines and read them as they are.
 */
import { HASH_BYTES } from './merkle.ts';
import { fromBase64, isKeyName, parseNote, signNote, type Note, type NoteSigner } from './note.ts';

export interface Checkpoint {
  readonly origin: string;
  /** Leaves in the tree. */
  readonly size: number;
  /** 32 bytes. */
  readonly root: Buffer;
  /** Lines after the third, without their newlines; none in ours. */
  readonly extensions: readonly string[];
}

/** The text that a checkpoint's signatures cover. RangeError for an origin that is no key name, a bad size or root. */
export function checkpointText(origin: string, size: number, root: Uint8Array): string {
  if (!isKeyName(origin)) throw new RangeError('an origin has no spaces and no plus');
  if (!Number.isSafeInteger(size) || size < 0) throw new RangeError('a tree size is a non-negative safe integer');
  if (root.length !== HASH_BYTES) throw new RangeError('a root hash has 32 bytes');
  return `${origin}\n${size}\n${Buffer.from(root).toString('base64')}\n`;
}

/**
 * The signed note of a tree head. `key.name` should equal the origin. "A log MUST NOT sign two inconsistent
 * checkpoints": the caller sees to it (the group commit, under the lock of the head row).
 */
export function signCheckpoint(origin: string, size: number, root: Uint8Array, key: NoteSigner): string {
  return signNote(checkpointText(origin, size, root), key);
}

/** Reads the text of a checkpoint; undefined when it is malformed. */
export function parseCheckpointText(text: string): Checkpoint | undefined {
  if (!text.endsWith('\n')) return undefined;
  const [origin, sizeText, rootText, ...extensions] = text.slice(0, -1).split('\n');
  if (rootText === undefined || origin === '' || extensions.includes('')) return undefined;
  // "decimal, no leading zeros (unless the size is zero)".
  if (!/^(0|[1-9][0-9]{0,15})$/.test(sizeText)) return undefined;
  const size = Number(sizeText);
  const root = fromBase64(rootText);
  if (!Number.isSafeInteger(size) || root?.length !== HASH_BYTES) return undefined;
  return { origin, size, root, extensions };
}

/** Reads a signed checkpoint without verifying its signatures; undefined when note or text are malformed. */
export function parseCheckpoint(note: string): { checkpoint: Checkpoint; note: Note } | undefined {
  const parsed = parseNote(note);
  const checkpoint = parsed === undefined ? undefined : parseCheckpointText(parsed.text);
  return parsed === undefined || checkpoint === undefined ? undefined : { checkpoint, note: parsed };
}
