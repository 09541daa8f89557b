import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodePdu, encodePdu, PDU_HEADER_BYTES, type Pdu, type PduFault } from '../../../../src/formats/dicom/pdu.ts';
import { createPduDecoder } from '../../../../src/formats/dicom/pdu-decoder.ts';

const uid = fc
  .array(fc.integer({ min: 0, max: 99_999 }), { minLength: 2, maxLength: 8 })
  .map((parts) => parts.join('.'));
const ae = fc.stringMatching(/^[A-Z0-9_]{1,16}$/);
const byte = fc.integer({ min: 0, max: 255 });
const data = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
const userInformation = fc.record({
  maxPduBytes: fc.integer({ min: 0, max: 0xffffffff }),
  implementationClassUid: uid,
  implementationVersionName: fc.option(fc.stringMatching(/^[A-Z0-9_]{1,16}$/), { nil: undefined }),
  others: fc.array(fc.record({ type: fc.integer({ min: 0x56, max: 0x5f }), data }), { maxLength: 3 }),
});
const associate = {
  protocolVersion: fc.integer({ min: 0, max: 0xffff }),
  calledAe: ae,
  callingAe: ae,
  applicationContext: uid,
  userInformation,
};
const contextId = fc.integer({ min: 0, max: 127 }).map((n) => 2 * n + 1);
const pdu: fc.Arbitrary<Pdu> = fc.oneof(
  fc.record({
    type: fc.constant('A-ASSOCIATE-RQ' as const),
    ...associate,
    contexts: fc.array(
      fc.record({ id: contextId, abstractSyntax: uid, transferSyntaxes: fc.array(uid, { maxLength: 4 }) }),
      { maxLength: 5 },
    ),
  }),
  fc.record({
    type: fc.constant('A-ASSOCIATE-AC' as const),
    ...associate,
    contexts: fc.array(fc.record({ id: contextId, result: fc.integer({ min: 0, max: 4 }), transferSyntax: uid }), {
      maxLength: 5,
    }),
  }),
  fc.record({ type: fc.constant('A-ASSOCIATE-RJ' as const), result: byte, source: byte, reason: byte }),
  fc.record({
    type: fc.constant('P-DATA-TF' as const),
    values: fc.array(fc.record({ context: byte, command: fc.boolean(), last: fc.boolean(), data }), { maxLength: 4 }),
  }),
  fc.constant({ type: 'A-RELEASE-RQ' as const }),
  fc.constant({ type: 'A-RELEASE-RP' as const }),
  fc.record({ type: fc.constant('A-ABORT' as const), source: byte, reason: byte }),
);

const limits = { dataBytes: 16_384, associateBytes: 65_536 };

/** Feeds bytes in pieces of the given sizes, in turns, and copies what comes out. */
function feed(bytes: Buffer, sizes: readonly number[]): (Pdu | PduFault)[] {
  const decoder = createPduDecoder(limits);
  const out: (Pdu | PduFault)[] = [];
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const size = sizes[i % sizes.length];
    out.push(...decoder.push(bytes.subarray(at, at + size)));
    at += size;
  }
  return out;
}

describe('upper layer PDUs', () => {
  it('decode what was encoded', () => {
    fc.assert(
      fc.property(pdu, (value) => {
        const bytes = encodePdu(value);
        expect(decodePdu(bytes[0], bytes.subarray(PDU_HEADER_BYTES))).toEqual(value);
      }),
    );
  });

  it('come out of the decoder the same, however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(pdu, { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 5 }),
        (values, sizes) => {
          expect(feed(Buffer.concat(values.map(encodePdu)), sizes)).toEqual(values);
        },
      ),
    );
  });

  it('never throw on garbage, whole or after a valid PDU', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.integer({ min: 0, max: 8 }), (bytes, type) => {
        decodePdu(type, Buffer.from(bytes));
        feed(Buffer.concat([encodePdu({ type: 'A-RELEASE-RQ' }), Buffer.from(bytes)]), [7]);
      }),
    );
  });

  it('are judged by type and length before their bytes are gathered', () => {
    expect(feed(Buffer.from([9, 0, 0, 0, 0, 4]), [6])).toEqual([{ type: 'fault', reason: 1 }]);
    expect(feed(Buffer.from([4, 0, 0, 0, 0x40, 1]), [6])).toEqual([{ type: 'fault', reason: 6 }]);
    expect(feed(Buffer.from([1, 0, 0xff, 0xff, 0xff, 0xff]), [1])).toEqual([{ type: 'fault', reason: 6 }]);
  });

  it('say nothing more after a fault', () => {
    const decoder = createPduDecoder(limits);
    expect([...decoder.push(Buffer.from('GET / HTTP/1.1\r\n'))]).toHaveLength(1);
    expect([...decoder.push(encodePdu({ type: 'A-RELEASE-RQ' }))]).toEqual([]);
  });
});
