/**
 * MLLP frames (HL7 Transport Specification: Minimal Lower Layer Protocol, release 1): VT, message, FS, CR. Tolerant of
 * what senders do: bytes between frames (NUL, CR, LF, anything) are skipped and counted, a doubled VT counts once, an FS
 * ends a frame without its CR where a control character or nothing follows. An FS with text behind it belongs to the message:
 * half a message must not pass for a whole one; so does a VT with text behind it that begins no message (word processors write
 * line breaks so). A frame that the next message or the end of the connection cuts off is discarded and counted, never merged.
 */
import { GatewayError } from '../../core/errors.ts';

export const VT = 0x0b;
export const FS = 0x1c;
const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;

/** What one chunk of bytes completed, in order. */
export type FrameEvent =
  | { readonly kind: 'frame'; readonly bytes: Buffer }
  /** A frame grew beyond the limit; `head` is its beginning, for the answer. The rest is skipped up to its FS. */
  | { readonly kind: 'too-large'; readonly head: Buffer }
  /** A frame was cut off after so many bytes. */
  | { readonly kind: 'truncated'; readonly bytes: number };

const FS_BYTE = Buffer.of(FS);
const VT_BYTE = Buffer.of(VT);

/** How messages and batches begin, up to the separator; behind a byte order mark as well. */
const HEADERS: readonly Buffer[] = ['MSH', 'FHS', 'BHS', '\ufeffMSH', '\ufeffFHS', '\ufeffBHS'].map((text) =>
  Buffer.from(text),
);
/** The same in UTF-16 and UTF-32. */
const WIDE: readonly Buffer[] = [Buffer.from('M\0'), Buffer.of(0xff, 0xfe), Buffer.of(0xfe, 0xff)];
/** Blanks that are looked past. */
const BLANKS = 16;

/** Whether a VT at `from - 1` begins a frame: a message follows, or a control byte of the framing. `unknown`: too few bytes to say. */
function beginsMessage(chunk: Buffer, from: number): 'yes' | 'no' | 'unknown' {
  let at = from;
  while (at < from + BLANKS && isBlank(chunk[at])) at++;
  if (chunk[at] === VT || chunk[at] === FS) return 'yes';
  const fits = (beginning: Buffer): boolean => {
    const found = chunk.subarray(at, at + beginning.length);
    return beginning.subarray(0, found.length).equals(found);
  };
  const found = [...HEADERS, ...WIDE].filter(fits);
  if (found.length === 0) return 'no';
  const whole = found.find(({ length }) => at + length <= chunk.length);
  if (whole === undefined) return 'unknown';
  if (WIDE.includes(whole)) return 'yes';
  const separator = chunk.toString('latin1', at + whole.length, at + whole.length + 1);
  if (separator === '') return 'unknown';
  return /[!-/:-@[-`{-~]/.test(separator) ? 'yes' : 'no';
}

function isBlank(byte: number | undefined): boolean {
  return byte === CR || byte === LF || byte === 0 || byte === SPACE;
}

/** Bytes of a too large frame that are kept to answer it: enough for any MSH. */
const HEAD_BYTES = 4096;

/** So many parts are put together, where they are smaller than so many bytes. */
const LOOSE_PARTS = 256;
const LOOSE_BYTES = 256 * 1024;

/** The decoder of one connection. A class because it holds the partial frame. */
export class MllpDecoder {
  readonly #maxBytes: number;
  #state: 'between' | 'inside' | 'skipping' = 'between';
  /** The last byte was an FS, of which the next byte says whether it ended the frame. */
  #ending = false;
  /** A VT inside of a frame and what has come behind it, too little to say whether a message begins. */
  #doubt: Buffer | undefined;
  #parts: Buffer[] = [];
  #size = 0;
  /** Parts since the last were put together. */
  #loose = 0;
  /** Bytes skipped between frames so far, CR, LF and NUL not counted. */
  garbage = 0;

  /** `maxBytes`: the largest message, without its frame. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** True while a frame has begun and not ended. */
  get inFrame(): boolean {
    return this.#state !== 'between';
  }

  /** Bytes held of the partial frame. */
  get buffered(): number {
    return this.#size + (this.#doubt?.length ?? 0);
  }

  /** True when the frame is whole unless text follows: nothing but `settle` may be to come. */
  get isEnding(): boolean {
    return this.#ending;
  }

  /** Takes a chunk. Its bytes may be kept by reference until its frame ends: the caller must not reuse it. */
  push(bytes: Buffer): FrameEvent[] {
    const events: FrameEvent[] = [];
    let at = 0;
    const chunk = this.#doubt === undefined ? bytes : Buffer.concat([this.#doubt, bytes]);
    this.#doubt = undefined;
    if (this.#ending && chunk.length > 0) {
      if (chunk[0] < SPACE) this.#finish(events);
      else this.#keep(FS_BYTE, events);
      this.#ending = false;
    }
    while (at < chunk.length)
      at = this.#state === 'between' ? this.#between(chunk, at) : this.#inside(chunk, at, events);
    return events;
  }

  /** No more bytes have come for a while: a frame that ends with FS alone is whole. */
  settle(): FrameEvent[] {
    const events: FrameEvent[] = [];
    if (this.#ending) this.#finish(events);
    return events;
  }

  /** The connection ended. A frame that is not complete is discarded and reported. */
  end(): FrameEvent[] {
    const events = this.settle();
    if (this.#state === 'inside') events.push({ kind: 'truncated', bytes: this.#size });
    this.#reset('between');
    return events;
  }

  #reset(state: 'between' | 'inside' | 'skipping'): void {
    this.#state = state;
    this.#parts = [];
    this.#size = 0;
    this.#loose = 0;
    this.#ending = false;
    this.#doubt = undefined;
  }

  /** The frame has ended. */
  #finish(events: FrameEvent[]): void {
    if (this.#state === 'inside') events.push({ kind: 'frame', bytes: this.#joined() });
    this.#reset('between');
  }

  #between(chunk: Buffer, at: number): number {
    const start = chunk.indexOf(VT, at);
    const end = start < 0 ? chunk.length : start;
    for (let i = at; i < end; i++) {
      const byte = chunk[i];
      if (byte !== CR && byte !== LF && byte !== 0) this.garbage++;
    }
    if (start >= 0) this.#reset('inside');
    return end + 1;
  }

  #inside(chunk: Buffer, at: number, events: FrameEvent[]): number {
    const fs = chunk.indexOf(FS, at);
    const limit = fs < 0 ? chunk.length : fs;
    const vt = chunk.subarray(at, limit).indexOf(VT);
    const end = vt < 0 ? limit : at + vt;
    this.#keep(chunk.subarray(at, end), events);
    if (vt >= 0) {
      const isEmpty = this.#state === 'inside' && this.#size === 0;
      const begins = isEmpty ? 'yes' : beginsMessage(chunk, end + 1);
      if (begins === 'unknown') {
        this.#doubt = Buffer.from(chunk.subarray(end));
        return chunk.length;
      }
      if (begins === 'no') {
        this.#keep(VT_BYTE, events);
        return end + 1;
      }
      if (!isEmpty && this.#state === 'inside') events.push({ kind: 'truncated', bytes: this.#size });
      this.#reset('inside');
    } else if (fs >= 0) {
      if (fs + 1 === chunk.length) this.#ending = true;
      else if (chunk[fs + 1] < SPACE) this.#finish(events);
      else this.#keep(FS_BYTE, events);
    }
    return end + 1;
  }

  #keep(part: Buffer, events: FrameEvent[]): void {
    if (this.#state === 'skipping' || part.length === 0) return;
    this.#parts.push(part);
    this.#size += part.length;
    this.#loose += 1;
    if (this.#loose >= LOOSE_PARTS) this.#tidy();
    if (this.#size <= this.#maxBytes) return;
    events.push({ kind: 'too-large', head: Buffer.from(this.#joined().subarray(0, HEAD_BYTES)) });
    this.#reset('skipping');
  }

  /** A sender that drips bytes would fill memory with what a Buffer costs besides its bytes: its last parts become one. */
  #tidy(): void {
    const loose = this.#parts.splice(-LOOSE_PARTS);
    const size = loose.reduce((sum, { length }) => sum + length, 0);
    if (size < LOOSE_BYTES) this.#parts.push(Buffer.concat(loose, size));
    else this.#parts.push(...loose);
    this.#loose = 0;
  }

  #joined(): Buffer {
    return this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts, this.#size);
  }
}

/** A message in its frame. Throws `invalid-content` when it holds VT or FS, which would break the framing. */
export function encodeFrame(message: Buffer): Buffer {
  if (message.includes(VT) || message.includes(FS)) {
    throw new GatewayError('invalid-content', 'a message with the bytes 0B or 1C cannot travel in an MLLP frame');
  }
  const frame = Buffer.allocUnsafe(message.length + 3);
  frame[0] = VT;
  message.copy(frame, 1);
  frame[message.length + 1] = FS;
  frame[message.length + 2] = CR;
  return frame;
}
