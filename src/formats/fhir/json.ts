/**
 * FHIR JSON (R4 section 2.6.2) that keeps decimals as they were written: `1.0` and `0.010` carry precision, which a
 * JavaScript number loses. A number token that `JSON.stringify` would not write back verbatim becomes a `FhirDecimal`;
 * all others stay plain numbers. Input from outside is parsed strictly (depth, duplicate keys, UTF-8); our own stored
 * lines take `JSON.parse` unless a number needs care.
 */
import { isUtf8 } from 'node:buffer';
import { GatewayError } from '../../core/errors.ts';
import { JSON_MAX_DEPTH } from '../../core/limits.ts';
import { formatUuid, systemRandom } from '../../core/random.ts';

/** JSON number grammar (RFC 8259 section 6); R4 `decimal` is the same. */
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** Marks decimals inside `JSON.stringify` output; random per process, so that no input can contain it. */
const MARK = `decimal:${formatUuid(systemRandom.bytes(16))}:`;
const MARKED = new RegExp(`"${MARK}([^"]*)"`, 'g');
let marked = false;

/** A decimal whose text matters. Compare by `text` for identity and by `Number(text)` for size. */
export class FhirDecimal {
  readonly text: string;

  /** `text` must match the JSON number grammar; throws `invalid-syntax` otherwise. */
  constructor(text: string) {
    if (!NUMBER.test(text)) throw new GatewayError('invalid-syntax', 'not a decimal number');
    this.text = text;
  }

  /** Only for `stringifyFhirJson`, which puts the text back without quotes. */
  toJSON(): string {
    marked = true;
    return MARK + this.text;
  }

  toString(): string {
    return this.text;
  }
}

/** A decimal value as it stands in a resource. */
export type Decimal = number | FhirDecimal;

/** The decimal of a JSON number text: a plain number when that is written back the same. Throws `invalid-syntax`. */
export function decimal(text: string): Decimal {
  const value = Number(text);
  return text !== '' && Number.isFinite(value) && String(value) === text ? value : new FhirDecimal(text);
}

/** The text of a decimal as it is written in JSON. */
export function decimalText(value: Decimal): string {
  return typeof value === 'number' ? String(value) : value.text;
}

/** JSON text of a value, decimals verbatim. Compact, keys in their order; `undefined` members are left out. */
export function stringifyFhirJson(value: object): string {
  marked = false;
  const text = JSON.stringify(value);
  return marked ? text.replace(MARKED, '$1') : text;
}

/**
 * A number token of compact JSON (a false alarm inside of a string only costs time) that JavaScript would write
 * otherwise: a trailing zero after the point, an exponent, 16 and more digits, negative zero, below 1e-6.
 */
const NEEDS_CARE = /(?:":|[[,])-?(?:\d+\.\d*0(?!\d)|\d+(?:\.\d+)?[eE]|[\d.]{16}|0\.0{6}|(?<=-)0(?![.\d]))/;

/**
 * Parses what `stringifyFhirJson` wrote: compact, no check of depth or duplicate keys. Throws `integrity` when it is not
 * JSON.
 */
export function parseStoredJson(text: string): unknown {
  if (NEEDS_CARE.test(text)) return parseFhirJson(text);
  try {
    return JSON.parse(text);
  } catch {
    // The engine's message quotes the text, which is PHI: it is not kept as cause.
    throw new GatewayError('integrity', 'a stored record is not JSON');
  }
}

/**
 * Parses JSON from outside. `input` is text or UTF-8 bytes (a byte order mark is skipped). Throws `invalid-syntax` for
 * anything but one JSON value with unique keys and well-formed Unicode, nested at most `maxDepth` deep; the message names
 * the character position, never the content.
 */
export function parseFhirJson(input: string | Uint8Array, maxDepth: number = JSON_MAX_DEPTH): unknown {
  const reader = new JsonReader(textOf(input), maxDepth);
  return reader.document();
}

function textOf(input: string | Uint8Array): string {
  if (typeof input === 'string') return input.charCodeAt(0) === 0xfeff ? input.slice(1) : input;
  if (!isUtf8(input)) throw new GatewayError('invalid-charset', 'the body is not UTF-8');
  const text = Buffer.from(input.buffer, input.byteOffset, input.byteLength).toString('utf8');
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LONE_SURROGATE = /\p{Surrogate}/u;
const NUMBER_TOKEN = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

/** Recursive descent over one text. A class because it holds the position. */
class JsonReader {
  readonly #text: string;
  readonly #maxDepth: number;
  #at = 0;

  constructor(text: string, maxDepth: number) {
    this.#text = text;
    this.#maxDepth = maxDepth;
  }

  document(): unknown {
    const value = this.#value(0);
    this.#space();
    if (this.#at < this.#text.length) throw this.#fault('text after the end of the JSON value');
    return value;
  }

  #fault(what: string): GatewayError {
    return new GatewayError('invalid-syntax', `${what} (at character ${this.#at})`);
  }

  #space(): number {
    let code = this.#text.charCodeAt(this.#at);
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) code = this.#text.charCodeAt(++this.#at);
    return code;
  }

  #value(depth: number): unknown {
    const code = this.#space();
    if (code === QUOTE) return this.#string();
    if (code === 0x7b) return this.#object(depth + 1);
    if (code === 0x5b) return this.#array(depth + 1);
    if (code === 0x74) return this.#word('true', true);
    if (code === 0x66) return this.#word('false', false);
    if (code === 0x6e) return this.#word('null', null);
    return this.#number();
  }

  #word(word: string, value: boolean | null): boolean | null {
    if (!this.#text.startsWith(word, this.#at)) throw this.#fault('not a JSON value');
    this.#at += word.length;
    return value;
  }

  #number(): Decimal {
    NUMBER_TOKEN.lastIndex = this.#at;
    const match = NUMBER_TOKEN.exec(this.#text);
    if (match === null || !NUMBER.test(match[0])) throw this.#fault('not a JSON value');
    this.#at += match[0].length;
    return decimal(match[0]);
  }

  #string(): string {
    const text = this.#text;
    const start = ++this.#at;
    let escaped = false;
    for (;;) {
      const code = text.charCodeAt(this.#at);
      if (code === QUOTE) break;
      if (Number.isNaN(code) || code < 0x20) throw this.#fault('a string is not closed or holds a control character');
      if (code === BACKSLASH) {
        escaped = true;
        this.#at++;
      }
      this.#at++;
    }
    const end = this.#at++;
    if (!escaped) return text.slice(start, end);
    let value: unknown;
    try {
      value = JSON.parse(text.slice(start - 1, end + 1));
    } catch {
      throw this.#fault('a string holds an unknown escape');
    }
    if (typeof value !== 'string' || LONE_SURROGATE.test(value))
      throw this.#fault('a string is not well-formed Unicode');
    return value;
  }

  #array(depth: number): unknown[] {
    if (depth > this.#maxDepth) throw this.#fault(`nested deeper than ${this.#maxDepth}`);
    this.#at++;
    const values: unknown[] = [];
    if (this.#space() === 0x5d) {
      this.#at++;
      return values;
    }
    for (;;) {
      values.push(this.#value(depth));
      const code = this.#space();
      this.#at++;
      if (code === 0x5d) return values;
      if (code !== 0x2c) throw this.#fault('an array is not closed');
    }
  }

  #object(depth: number): Record<string, unknown> {
    if (depth > this.#maxDepth) throw this.#fault(`nested deeper than ${this.#maxDepth}`);
    this.#at++;
    const members: Record<string, unknown> = {};
    if (this.#space() === 0x7d) {
      this.#at++;
      return members;
    }
    for (;;) {
      if (this.#space() !== QUOTE) throw this.#fault('a member name is missing');
      const name = this.#string();
      // RFC 8259 section 4: with equal names "the behavior of software that receives such an object is unpredictable".
      if (Object.hasOwn(members, name)) throw this.#fault('an object has the same member name twice');
      if (name === '__proto__') throw this.#fault('a member name is not allowed');
      if (this.#space() !== 0x3a) throw this.#fault('a colon is missing');
      this.#at++;
      members[name] = this.#value(depth);
      const code = this.#space();
      this.#at++;
      if (code === 0x7d) return members;
      if (code !== 0x2c) throw this.#fault('an object is not closed');
    }
  }
}
