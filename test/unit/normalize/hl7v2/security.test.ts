import { expect, it } from 'vitest';
import { parseHl7v2 } from '../../../../src/formats/hl7v2/message.ts';
import { normalizeHl7v2 } from '../../../../src/normalize/hl7v2/normalize.ts';
import type { Segment } from '../../../../src/formats/hl7v2/message.ts';
import { hl7, profile, RECEIVED_AT } from '../../../support/hl7v2.ts';

/** How often the segments of a message of so many patients are walked through. */
function walks(patients: number): number {
  const text = hl7(
    'ORU^R01',
    Array.from({ length: patients }, (_, i) => [
      `PID|1||${i}^^^HOSP^MR||Doe`,
      `OBR|1|P${i}|F${i}|1^a^L||||||||||||||||||F`,
    ]).flat(),
  );
  const message = parseHl7v2(Buffer.from(text), { charset: 'utf-8' });
  let count = 0;
  const segments: readonly Segment[] = new Proxy(message.segments, {
    get(target, name) {
      if (name === Symbol.iterator) count += 1;
      return Reflect.get(target, name);
    },
  });
  expect(normalizeHl7v2({ ...message, segments }, profile(), RECEIVED_AT).changes.length).toBeGreaterThan(patients);
  return count;
}

it('reads the marks of a message once, however many patients it has', () => {
  expect(walks(300)).toBe(walks(3));
});
