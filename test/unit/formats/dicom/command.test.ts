import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COMMAND, decodeCommand, encodeCommand, type Command } from '../../../../src/formats/dicom/command.ts';

const us = fc.integer({ min: 0, max: 0xffff });
const uid = fc
  .array(fc.integer({ min: 0, max: 99_999 }), { minLength: 2, maxLength: 8 })
  .map((parts) => parts.join('.'));
const text = fc.stringMatching(/^[A-Za-z0-9]{1,16}$/);
const command: fc.Arbitrary<Command> = fc.record(
  {
    commandField: us,
    hasDataSet: fc.boolean(),
    messageId: us,
    messageIdRespondedTo: us,
    affectedSopClassUid: uid,
    requestedSopClassUid: uid,
    affectedSopInstanceUid: uid,
    priority: us,
    status: us,
    errorComment: text,
    moveOriginatorAe: text,
    moveOriginatorMessageId: us,
  },
  { requiredKeys: ['commandField', 'hasDataSet'] },
);

describe('DIMSE command sets', () => {
  it('decode what was encoded', () => {
    fc.assert(
      fc.property(command, (value) => {
        expect(decodeCommand(encodeCommand(value))).toEqual(value);
      }),
    );
  });

  it('have their elements ascending and a group length that is right', () => {
    const bytes = encodeCommand({
      commandField: COMMAND['C-STORE-RSP'],
      hasDataSet: false,
      status: 0,
      affectedSopInstanceUid: '1.2.3',
      affectedSopClassUid: '1.2',
    });
    expect(bytes.readUInt32LE(8)).toBe(bytes.length - 12);
    const numbers: number[] = [];
    for (let at = 0; at < bytes.length; at += 8 + bytes.readUInt32LE(at + 4)) numbers.push(bytes.readUInt16LE(at + 2));
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  });

  it('are undefined, not an exception, where bytes are no command set', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void decodeCommand(Buffer.from(bytes))));
    const good = encodeCommand({ commandField: 1, hasDataSet: true, messageId: 1 });
    for (let size = 0; size < good.length; size += 1) decodeCommand(good.subarray(0, size));
    expect(decodeCommand(Buffer.alloc(0))).toBeUndefined();
  });
});
