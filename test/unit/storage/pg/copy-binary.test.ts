import { expect, it } from 'vitest';
import { CopyRows } from '../../../../src/storage/pg/copy-binary.ts';

const HEADER_BYTES = 19;

it.each(['row', 'null'] as const)('grows at any place of a row: at `%s` after bytes that fill the buffer', (place) => {
  const rows = new CopyRows(64);
  const value = Buffer.alloc(1000, 7);
  rows.row(2).bytes(value);
  if (place === 'null') rows.null();
  else rows.row(1);
  rows.int8(5);
  const encoded = rows.finish();
  const at = HEADER_BYTES + 2 + 4 + value.length;
  expect(encoded.readInt32BE(HEADER_BYTES + 2)).toBe(value.length);
  expect(encoded.subarray(HEADER_BYTES + 6, at).equals(value)).toBe(true);
  if (place === 'null') expect(encoded.readInt32BE(at)).toBe(-1);
  else expect(encoded.readInt16BE(at)).toBe(1);
  expect(encoded.readInt16BE(encoded.length - 2)).toBe(-1);
});
