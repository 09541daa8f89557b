/**
 * Text that switches between character sets (MSH-18 with several sets, MSH-20): by escape sequences of ISO 2022, or written out
 * as `\C..\` and `\M..\` (HL7 v2 section 2.7.2). What a sequence selects holds until the next one, and at the latest to the end of the
 * segment. Sets of 94 and 94x94 characters stand in the seven-bit half (G0), the others in the upper one (G1).
 */

/** How bytes of one half are read: their TextDecoder, how many bytes a character has, and what makes it those of the decoder. */
interface GraphicSet {
  readonly half: 0 | 1;
  readonly label: string;
  readonly size: 1 | 2;
  /** A byte before each character. */
  readonly prefix?: number;
}

/** By the bytes behind ESC, as text (ISO-IR registrations that HL7 section 2.7.2 and the Japanese and Korean guides name). */
const SETS: ReadonlyMap<string, GraphicSet | undefined> = new Map<string, GraphicSet | undefined>([
  ['(B', undefined],
  ['(J', undefined],
  ['(I', { half: 0, label: 'shift_jis', size: 1 }],
  [')I', { half: 1, label: 'shift_jis', size: 1 }],
  ['$@', { half: 0, label: 'euc-jp', size: 2 }],
  ['$B', { half: 0, label: 'euc-jp', size: 2 }],
  ['$(D', { half: 0, label: 'euc-jp', size: 2, prefix: 0x8f }],
  ['$A', { half: 0, label: 'gb18030', size: 2 }],
  ['$(A', { half: 0, label: 'gb18030', size: 2 }],
  ['$)A', { half: 1, label: 'gb18030', size: 2 }],
  ['$(C', { half: 0, label: 'euc-kr', size: 2 }],
  ['$)C', { half: 1, label: 'euc-kr', size: 2 }],
  ['-A', { half: 1, label: 'windows-1252', size: 1 }],
  ['-B', { half: 1, label: 'iso-8859-2', size: 1 }],
  ['-C', { half: 1, label: 'iso-8859-3', size: 1 }],
  ['-D', { half: 1, label: 'iso-8859-4', size: 1 }],
  ['-L', { half: 1, label: 'iso-8859-5', size: 1 }],
  ['-G', { half: 1, label: 'iso-8859-6', size: 1 }],
  ['-F', { half: 1, label: 'iso-8859-7', size: 1 }],
  ['-H', { half: 1, label: 'iso-8859-8', size: 1 }],
  ['-M', { half: 1, label: 'windows-1254', size: 1 }],
  ['-T', { half: 1, label: 'windows-874', size: 1 }],
  ['-b', { half: 1, label: 'iso-8859-15', size: 1 }],
]);

/** A sequence, raw (ESC and two or three bytes) or written out in hexadecimal; as Latin-1 text. */
// oxlint-disable-next-line no-control-regex -- ESC is what begins a sequence
const SEQUENCE = /\u001b(\$?[(),-]?[@-Zb])|\\([CM])([0-9A-Fa-f]{4}|[0-9A-Fa-f]{6})\\|[\r\n]+/g;

/** True when there may be a sequence: two searches of native speed. */
export function mayHaveSequences(bytes: Buffer): boolean {
  return bytes.includes(0x1b) || bytes.includes('\\C') || bytes.includes('\\M');
}

/**
 * Text without the sequences, exactly; undefined when a byte has no meaning where it stands. `upper`: what reads bytes 80-FF until a
 * sequence says otherwise, a whole run at a time; undefined for bytes that are not of its set.
 */
export function decodeIso2022(bytes: Buffer, upper: (run: Buffer) => string | undefined): string | undefined {
  const raw = bytes.toString('latin1');
  const out: string[] = [];
  let lower: GraphicSet | undefined;
  let higher: GraphicSet | undefined;
  let at = 0;
  const flush = (end: number): boolean => {
    const run = at === end ? '' : decodeRun(bytes.subarray(at, end), lower, higher, upper);
    if (run !== undefined) out.push(run);
    return run !== undefined;
  };
  for (const match of raw.matchAll(SEQUENCE)) {
    const [text, escaped, , digits] = match;
    const name = escaped ?? (digits === undefined ? undefined : Buffer.from(digits, 'hex').toString('latin1'));
    if (name !== undefined && !SETS.has(name)) continue;
    if (!flush(match.index)) return undefined;
    at = match.index + text.length;
    if (name === undefined) {
      out.push(text);
      lower = higher = undefined;
      continue;
    }
    const set = SETS.get(name);
    if (set?.half === 1) higher = set;
    else lower = set;
  }
  return flush(bytes.length) ? out.join('') : undefined;
}

/** One run of bytes without sequences: pieces of the lower and of the upper half, each by its set. */
function decodeRun(
  bytes: Buffer,
  lower: GraphicSet | undefined,
  higher: GraphicSet | undefined,
  upper: (run: Buffer) => string | undefined,
): string | undefined {
  if (higher === undefined && lower === undefined) return upper(bytes);
  const out: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const kind = kindOf(bytes[at]);
    let end = at + 1;
    while (end < bytes.length && kindOf(bytes[end]) === kind) end++;
    const piece = bytes.subarray(at, end);
    const set = kind === 'upper' ? higher : kind === 'lower' ? lower : undefined;
    const text = set !== undefined ? decodeBy(piece, set) : kind === 'upper' ? upper(piece) : piece.toString('latin1');
    if (text === undefined) return undefined;
    out.push(text);
    at = end;
  }
  return out.join('');
}

/** Controls and the blank are in no set of 94 characters. */
function kindOf(byte: number): 'control' | 'lower' | 'upper' {
  if (byte >= 0x80) return 'upper';
  return byte > 0x20 && byte < 0x7f ? 'lower' : 'control';
}

const decoders = new Map<string, InstanceType<typeof TextDecoder>>();

function decodeBy(piece: Buffer, { label, size, prefix }: GraphicSet): string | undefined {
  if (piece.length % size !== 0) return undefined;
  const step = size + (prefix === undefined ? 0 : 1);
  const bytes = Buffer.alloc((piece.length / size) * step);
  for (let i = 0, at = 0; i < piece.length; i++) {
    if (prefix !== undefined && i % size === 0) bytes[at++] = prefix;
    bytes[at++] = piece[i] | 0x80;
  }
  let decoder = decoders.get(label);
  if (decoder === undefined) decoders.set(label, (decoder = new TextDecoder(label, { fatal: true, ignoreBOM: true })));
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}
