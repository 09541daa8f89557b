/**
 * Batch files (HL7 v2 section 2.10.3): FHS, BHS, messages, BTS, FTS, and files that are just messages one after another.
 * Works on bytes, so that one message in a wrong character set does not sink its batch.
 */

export interface Batch {
  /** Each from its MSH to its last segment, as slices of the input. */
  readonly messages: readonly Buffer[];
  /** Raw BHS segment, when there is one (of several the first). */
  readonly header: Buffer | undefined;
  /** True when there is an FHS, BHS, BTS or FTS segment. */
  readonly envelope: boolean;
  /** Sum of the counts of all BTS-1 that give one; undefined when none does. */
  readonly declaredCount: number | undefined;
}

const ENVELOPE = new Set(['FHS', 'BHS', 'BTS', 'FTS']);
const CR = 0x0d;
const LF = 0x0a;

/** Splits bytes into messages. What stands before the first MSH and is no envelope segment is ignored. */
export function splitBatch(bytes: Buffer): Batch {
  const messages: Buffer[] = [];
  let header: Buffer | undefined;
  let envelope = false;
  let declaredCount: number | undefined;
  let messageStart = -1;
  const close = (end: number): void => {
    if (messageStart >= 0) messages.push(bytes.subarray(messageStart, end));
    messageStart = -1;
  };
  // A byte order mark belongs to the first message: its decoder reads it.
  let lineStart = 0;
  for (const { id, start, end } of lines(bytes)) {
    if (id === 'MSH') {
      close(start);
      messageStart = lineStart === 0 ? 0 : start;
    } else if (ENVELOPE.has(id)) {
      close(start);
      envelope = true;
      if (id === 'BHS') header ??= bytes.subarray(start, end);
      if (id === 'BTS') declaredCount = addCount(declaredCount, bytes.toString('latin1', start, end));
    }
    lineStart = end;
  }
  close(bytes.length);
  return { messages, header, envelope, declaredCount };
}

function addCount(sum: number | undefined, segment: string): number | undefined {
  const count = /^\d{1,10}/.exec(segment.slice(4))?.[0];
  return count === undefined ? sum : (sum ?? 0) + Number(count);
}

function* lines(bytes: Buffer): Generator<{ id: string; start: number; end: number }> {
  let start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  while (start < bytes.length) {
    let end = start;
    while (end < bytes.length && bytes[end] !== CR && bytes[end] !== LF) end++;
    if (end > start) yield { id: bytes.toString('latin1', start, start + 3), start, end };
    start = end + 1;
  }
}
