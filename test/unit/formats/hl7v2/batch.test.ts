import { describe, expect, it } from 'vitest';
import { splitBatch } from '../../../../src/formats/hl7v2/batch.ts';

describe('batches', () => {
  it('splits a batch file and reads its count', () => {
    const batch = splitBatch(
      Buffer.from(
        'FHS|^~\\&|A\rBHS|^~\\&|A\rMSH|^~\\&|1\rPID|1\rMSH|^~\\&|2\rPID|2\rBTS|2\rBHS|^~\\&|B\rMSH|^~\\&|3\rBTS|1\rFTS|2\r',
      ),
    );
    expect(batch.messages.map(String)).toEqual(['MSH|^~\\&|1\rPID|1\r', 'MSH|^~\\&|2\rPID|2\r', 'MSH|^~\\&|3\r']);
    expect(batch).toMatchObject({ envelope: true, declaredCount: 3 });
    expect(String(batch.header)).toBe('BHS|^~\\&|A');
  });

  it('takes messages one after another, with a BOM and LF', () => {
    const batch = splitBatch(Buffer.from('\ufeffMSH|^~\\&|1\nPID|1\n\nMSH|^~\\&|2\n'));
    expect(batch.messages.map(String)).toEqual(['\ufeffMSH|^~\\&|1\nPID|1\n\n', 'MSH|^~\\&|2\n']);
    expect(batch).toMatchObject({ envelope: false, declaredCount: undefined });
  });

  it('finds nothing in nothing', () => {
    expect(splitBatch(Buffer.alloc(0)).messages).toEqual([]);
    expect(splitBatch(Buffer.from('no message')).messages).toEqual([]);
  });
});
