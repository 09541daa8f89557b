/**
 * Made-up PHI that is unique, and the search for it in any bytes: as UTF-8 and UTF-16, in lower and upper case, in base64 and
 * base64url at every alignment, and in hexadecimal. For the test that nothing at rest or in the logs holds plaintext.
 */

/** Begins every canary text. Nine letters that no language has in a row; in random base64 they come once in 64^9 places. */
const MARKER = 'Xqzjvwkpq';
const SUFFIX = 3;

type Encoding = (text: string) => readonly string[];

/** What base64 makes of the text whatever stands before and after it: the characters that depend on the text alone. */
function base64(text: string): readonly string[] {
  const found: string[] = [];
  for (const before of [0, 1, 2]) {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(text)]);
    const from = Math.ceil((before * 8) / 6);
    const to = Math.floor((bytes.length * 8) / 6);
    found.push(bytes.toString('base64').slice(from, to), bytes.toString('base64url').slice(from, to));
  }
  return found;
}

const ENCODINGS: Readonly<Record<string, Encoding>> = {
  'UTF-8': (text) => [Buffer.from(text).toString('latin1')],
  'UTF-16LE': (text) => [Buffer.from(text, 'utf16le').toString('latin1')],
  'UTF-16BE': (text) => [Buffer.from(text, 'utf16le').swap16().toString('latin1')],
  base64,
  hexadecimal: (text) => [Buffer.from(text).toString('hex'), Buffer.from(text).toString('hex').toUpperCase()],
};

export interface Finding {
  /** Where it was found, as the caller named the place. */
  readonly place: string;
  readonly encoding: string;
  /** Which field held it; for encodings other than UTF-8 only that it was one of them. */
  readonly label: string;
}

const CHUNK = 1 << 23;
const OVERLAP = 256;

export class Canaries {
  readonly #labels = new Map<string, string>();
  readonly #needles = new Map<string, string>();
  #pattern: RegExp | undefined;

  constructor() {
    this.#watch(MARKER, 'a canary');
  }

  /** A text of letters only, which no other field holds. */
  text(label: string): string {
    const number = this.#labels.size;
    const letters = Array.from({ length: SUFFIX }, (_, i) =>
      String.fromCharCode(97 + (Math.floor(number / 26 ** (SUFFIX - 1 - i)) % 26)),
    );
    const canary = MARKER + letters.join('');
    this.#labels.set(canary.toLowerCase(), label);
    return canary;
  }

  /** Watches for a text that cannot begin with the marker: a number or date. At least eight characters, else chance would find it. */
  exact(label: string, text: string): string {
    if (text.length < 8) throw new Error(`${label} is too short to be told from chance`);
    this.#watch(text, label);
    return text;
  }

  get size(): number {
    return this.#labels.size;
  }

  #watch(text: string, label: string): void {
    for (const [encoding, encode] of Object.entries(ENCODINGS)) {
      for (const variant of new Set([text, text.toLowerCase(), text.toUpperCase()])) {
        for (const needle of encode(variant)) this.#needles.set(needle, `${encoding}: ${label}`);
      }
    }
    this.#pattern = undefined;
  }

  /** Every canary in the bytes. */
  find(place: string, bytes: Buffer): Finding[] {
    const needles = [...this.#needles.keys()].toSorted((a, b) => b.length - a.length);
    this.#pattern ??= new RegExp(needles.map((needle) => needle.replaceAll(/[^\w]/g, escaped)).join('|'), 'g');
    const found: Finding[] = [];
    for (let from = 0; from < bytes.length; from += CHUNK) {
      const text = bytes.toString('latin1', from, from + CHUNK + OVERLAP);
      for (const { 0: needle, index } of text.matchAll(this.#pattern)) {
        if (index >= CHUNK) continue;
        const [encoding = '', label = ''] = (this.#needles.get(needle) ?? '').split(': ');
        const whole = text.slice(index, index + MARKER.length + SUFFIX).toLowerCase();
        found.push({ place, encoding, label: this.#labels.get(whole) ?? label });
      }
    }
    return found;
  }
}

/** A character of a needle as a regular expression takes it, in Latin-1. */
function escaped(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
