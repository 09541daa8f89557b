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
  [
    ...head('ADT^A13').slice(0, 2),
    'PD1|||CLINIC^^1|7^Gp^Al|||Y',
    'ROL|1|AD|PI^I^HL70443|8^Lee^Bo|20260101|20260201',
    'NK1|1|Doe^John|SPO|1 Main|555|556|C|20260101|20260201||||ACME^^2||M|19790101',
    'PV1|1|I|W1||||7^Gp^Al||||||||||||V1^^^HOSP|||||||||||||||||01|||||||20260301090000|20260302',
    'PV2|||R07^Pain^I10||||||20260401||3',
    'AL1|1|DA|1^Pen^RXNORM|SV|hives',
    'DG1|1|I9|250|Diabetes|20260101|F|||||||||1|7^Gp^Al|||20260101|D1|A|D0',
    'PR1|1||5^Fix^L||202603010900|D|30|7^Gp^Al|||8^Lee^Bo',
    'IN1|1|PPO^Gold|77|Aetna|1 Main|||G1|||||20260101|20261231|||Doe^J|SPO|19790101||||1|||||||||||||P1',
    'GT1|1||Doe^J||1 Main|555||19790101|M||SPO||20260101|20260201',
    'DB1|1|PT|D1|Y|20260101|20260201',
  ],
  [
    ...head('SIU^S12').slice(0, 2),
    'SCH|P1|F1||||CHG|CHECKUP|Normal|30|min|1^^^20260310103000^20260310110000|7^Gp^Al|||||||||||||Booked|O1|O2',
    'RGS|1',
    'AIS|1|A|5^Fix^L|20260310103000|||30|min||Booked',
    'AIL|1|A|W1^2^B|C|||||30|min',
    'AIP|1|A|8^Lee^Bo|S||20260310103000|||30|min||Booked',
    'NTE|1||fasting',
  ],
  [
    ...head('MDM^T10'),
    'TXA|1|DS|TX|20260301||20260301100000|||7^Gp^Al|||D2^REC|D1^REC|||f.txt|AU|V|AV|||8^Lee^Bo|||Letter',
    'OBX|1|TX|1^T^L||Dear||||||F',
    'OBX|2|ED|1^T^L||^AP^PDF^Base64^SGVsbG8=||||||F',
  ],
  [
    ...head('DFT^P03').slice(0, 2),
    'FT1|1|T1||20260301|20260302|CG|5^Fix^L|d|a|2|9&USD|4.5&USD|RAD||||||R07^Pain^I10|7^Gp^Al',
    'PR1|1||5^Fix^L||20260301',
  ],
  [
    ...head('PPR^PC1').slice(0, 2),
    'PRB|AD|20260301100000|K50^Crohn^I10|1|||20260101||20260201||||C|ACTIVE||20250101',
    'GOL|AD|20260301|1^Well^L|2|||20260101|20260401',
    'PTH|AD|1^Care^L|3|20260101|ACTIVE',
  ],
  [...head('REF^I12').slice(0, 2), 'RF1|P|S|Med|WR|I|R1|20260301|20260401|20260301|O|X1', 'PRD|RT|Lee^Bo|||||1^NPI'],
  [
    head('MFN^M02')[0],
    'MFE|MAD|1||77',
    'STF|77|77|Lee^Bo||M||A|||555|1 Main||||a@b.c',
    'PRA|77||P||IM^B|1^NPI',
    'MFE|MDC',
    'LOC|W1^2^B|Bed',
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
