import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../../src/core/errors.ts';
import { stringifyFhirJson } from '../../../../src/formats/fhir/json.ts';
import { SAMPLE_STAY, sampleOru } from '../../../../src/cli/samples/hl7v2.ts';
import { normalize } from '../../../support/hl7v2.ts';

const MESSAGES = [...SAMPLE_STAY.map(({ text }) => text), sampleOru(3)];
const PIECES = [
  '|',
  '^',
  '~',
  '\\',
  '&',
  '\r',
  '""',
  '<5',
  '1e999',
  '\\X00\\',
  '\\.br\\',
  'PID|',
  'OBX|1|ED|',
  'OBR|',
  'SN',
  'ED',
  'ä',
  '\ufffd',
  ' ',
  '20240230',
];

describe('damaged messages', () => {
  it('property: are refused with a code or converted; nothing else is thrown', () => {
    const edit = fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      cut: fc.nat(12),
      put: fc.constantFrom(...PIECES),
    });
    fc.assert(
      fc.property(fc.constantFrom(...MESSAGES), fc.array(edit, { minLength: 1, maxLength: 5 }), (message, edits) => {
        let text = message;
        for (const { at, cut, put } of edits) {
          const from = Math.floor(at * text.length);
          text = text.slice(0, from) + put + text.slice(from + cut);
        }
        try {
          for (const change of normalize(text).changes) expect(stringifyFhirJson(change)).not.toContain('undefined');
        } catch (thrown) {
          if (!(thrown instanceof GatewayError)) throw thrown;
        }
      }),
      { numRuns: 2000 },
    );
  });
});
