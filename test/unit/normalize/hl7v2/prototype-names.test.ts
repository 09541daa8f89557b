/** Members of Object.prototype are words like any other, wherever in a message they stand. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { GatewayError } from '../../../../src/core/errors.ts';
import { normalize } from '../../../support/hl7v2.ts';

const MESSAGES = JSON.parse(
  readFileSync(new URL('../../../fuzz/messages.json', import.meta.url), 'utf8'),
) as readonly (readonly string[])[];
/** The text of a document becomes base64, in which a word is no word. */
const ENCODED = 'MDM^T10 OBX-5.1';
/** A member of Object.prototype, and a word of the same form that is none. */
const WORDS = [
  ['constructor', 'konstruktor'],
  ['toString', 'toStrang'],
  ['__proto__', '__prota__'],
] as const;

/** The Changes and what was left out, or the code of the refusal, as text. */
function became(segments: readonly string[]): string {
  try {
    const { changes, details } = normalize(`${segments.join('\r')}\r`);
    return JSON.stringify({ changes, details });
  } catch (error) {
    if (error instanceof GatewayError) return `refused: ${error.code} ${error.message}`;
    throw error;
  }
}

/** Every place of a message below MSH, by segment, field and component. */
function places(segments: readonly string[]): readonly (readonly [number, number, number])[] {
  return segments.flatMap((segment, at) =>
    at === 0
      ? []
      : segment
          .split('|')
          .slice(1)
          .flatMap((field, n) => field.split('^').map((_, component) => [at, n + 1, component] as const)),
  );
}

function withWord(segments: readonly string[], [at, field, component]: readonly number[], word: string): string[] {
  return segments.map((segment, i) => {
    if (i !== at) return segment;
    const fields = segment.split('|');
    const parts = fields[field].split('^');
    parts[component] = word;
    fields[field] = parts.join('^');
    return fields.join('|');
  });
}

test.each(WORDS)('%s is a word like any other in every field of every kind of message', (name, plain) => {
  const odd: string[] = [];
  let tried = 0;
  for (const segments of MESSAGES) {
    for (const place of places(segments)) {
      tried++;
      const named = became(withWord(segments, place, name)).replaceAll(new RegExp(name, 'gi'), 'WORD');
      const other = became(withWord(segments, place, plain)).replaceAll(new RegExp(plain, 'gi'), 'WORD');
      if (named !== other)
        odd.push(`${segments[0].split('|')[8]} ${segments[place[0]].slice(0, 3)}-${place[1]}.${place[2] + 1}`);
    }
  }
  expect(odd.filter((place) => place !== ENCODED)).toEqual([]);
  expect(tried).toBeGreaterThan(1_000);
});
