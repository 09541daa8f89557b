import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../../src/core/errors.ts';
import { stringifyFhirJson } from '../../../../src/formats/fhir/json.ts';
import { SAMPLE_STAY, sampleOru } from '../../../../src/cli/samples/hl7v2.ts';
import { normalize } from '../../../support/hl7v2.ts';

const head = (type: string): string[] => [
  `MSH|^~\\&|EHR|HOSP|GW|HOSP|20260301120000+0100||${type}|F1|P|2.5.1`,
  'PID|1||123^^^HOSP^MR||Doe^Jane',
  'ORC|NW|P1^EHR|F1^LAB|G1||||^F0&LAB|20260301||||D1^Ho^Ann',
];
const MORE = [
  [
    ...head('OML^O21'),
    'TQ1|1|1^tab|BID|0800|2^h|10^d|20260301||S|when|how||15^min|20',
    'OBR|1|P1^EHR|F1^LAB|57021-8^CBC^LN|||20260301|||||||20260301|BLD^EDTA^x^LA',
    'NTE|1||note||N1^Lee|20260301',
    'DG1|1||D50^Anaemia^I10',
    'SPM|1|S1&EHR^S2&LAB|S0|BLD|||VENIP|LA||||5^ml|||||20260301^20260302|20260301||Y',
    'OBX|1|NM|8302-2^Height^LN||170|cm|||||F',
  ],
  [
    ...head('RDS^O13'),
    'RXO|1^a^L|1|2|mg|CAP',
    'RXE|1^QD|2^b^RXNORM|250|500|mg^mg^UCUM|CAP|take it|||30|cap|2',
    'RXR|PO|LA||IVP|x',
    'RXC|A|3^c^L|5|mg',
    'RXD|1|2^b^RXNORM|20260301|30|cap|CAP|RX1|1|note|N1^Lee|G|3^mg',
  ],
  [...head('RAS^O17'), 'RXA|0|1|20260301|20260302|2^b^L|250|mg|CAP|ok|N1^Lee|||5|mg|LOT|20270101|||x|CP|A', 'RXR|PO'],
  [
    ...head('VXU^V04'),
    'RXA|0|1|20260301||140^Flu^CVX|0.5|mL||00|N1^Lee|^^^C',
    'OBX|1|CE|30956-7^T^LN|1|88^x^CVX||||||F',
  ],
  [...head('ORM^O01'), 'ODS|D||1^x^L|no salt', 'RQD|1|2^y^L'],
].map((segments) => [...segments, ''].join('\r'));
const MESSAGES = [...SAMPLE_STAY.map(({ text }) => text), sampleOru(3), ...MORE];
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
