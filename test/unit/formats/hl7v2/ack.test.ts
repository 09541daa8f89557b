import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../../src/core/errors.ts';
import { systemRandom } from '../../../../src/core/random.ts';
import {
  ackHeader,
  ackKinds,
  answerBytes,
  buildAck,
  expectedAnswers,
  inMode,
  parseAck,
  splitAnswers,
} from '../../../../src/formats/hl7v2/ack.ts';

const NOW = Date.parse('2026-03-01T10:11:12.345Z');

function answer(message: string | Buffer, error?: GatewayError): string | undefined {
  const header = ackHeader(Buffer.isBuffer(message) ? message : Buffer.from(message));
  return buildAck({ header, now: NOW, random: systemRandom, ...(error && { error }) });
}

const MESSAGE = 'MSH|^~\\&|LAB|HOSP^1.2^ISO|GW|SITE|20260301||ORU^R01^ORU_R01|CTRL-1|P|2.5.1\rPID|1||SECRET\r';

describe('acknowledgements', () => {
  it('AA: MSH swapped, MSH-10 fresh, MSA-2 as it came', () => {
    const lines = (answer(MESSAGE) ?? '').split('\r');
    expect(lines[0]).toMatch(
      /^MSH\|\^~\\&\|GW\|SITE\|LAB\|HOSP\^1\.2\^ISO\|20260301101112\.345\+0000\|\|ACK\^R01\^ACK\|[0-9A-F]{20}\|P\|2\.5\.1$/,
    );
    expect(lines[1]).toBe('MSA|AA|CTRL-1');
    expect(lines[2]).toBe('');
  });

  it('MFK answers MFN: the file, and one MFA for each entry as MFI-6 asks', () => {
    const staff = (level: string): string =>
      [
        'MSH|^~\\&|HR|HOSP|GW|SITE|20260301||MFN^M02^MFN_M02|C9|P|2.5.1',
        `MFI|PRA^Practitioner^HL70175|DIR|UPD|20260301|20260301|${level}`,
        'MFE|MAD|E1||S1^Ho|CE\rSTF|S1|S1^^^HOSP|Ho^Ann',
        'MFE|MDC|E2||S2\u000b^Al|CE',
        '',
      ].join('\r');
    const lines = (answer(staff('AL')) ?? '').split('\r');
    expect(lines[0]).toContain('|MFK^M02^MFK_M01|');
    expect(lines.slice(1, 3)).toEqual(['MSA|AA|C9', 'MFI|PRA^Practitioner^HL70175|DIR|UPD|20260301|20260301|AL']);
    expect(lines.slice(3)).toEqual([
      'MFA|MAD|E1|20260301101112.345+0000|S|S1^Ho|CE',
      'MFA|MDC|E2|20260301101112.345+0000|S||CE',
      '',
    ]);
    expect(answer(staff('NE'))).not.toContain('MFA|');
    expect(answer(staff('ER'))).not.toContain('MFA|');
    const fault = new GatewayError('required-missing', 'no STF', { expression: 'STF' });
    expect(answer(staff('ER'), fault)).toContain('MFA|MAD|E1|20260301101112.345+0000|U|S1^Ho|CE');
    expect(answer('MSH|^~\\&|HR|HOSP|GW|SITE|2026||MFK^M02^MFK_M01|C9|P|2.5.1\rMSA|AA|C1\r')).toBeDefined();
  });

  it('MSA-2 repeats MSH-10 byte for byte, in whatever character set; MSH-18 then says which', () => {
    for (const encoding of ['latin1', 'utf8'] as const) {
      const bytes = Buffer.from('MSH|^~\\&|LAB|H|GW|S|2026||ORU^R01|Ä1|P|2.5||||||8859/1\r', encoding);
      const text = answer(bytes) ?? '';
      const answered = answerBytes(text, bytes);
      expect(answered.toString(encoding)).toContain('MSA|AA|Ä1\r');
      expect(text.split('\r')[0]).toMatch(/\|P\|2\.5\|{6}8859\/1$/);
      expect(parseAck(answered)?.controlId).toBe(ackHeader(bytes).controlId);
    }
    expect(answer('MSH|^~\\&|LAB|H|GW|S|2026||ORU^R01|A1|P|2.5||||||8859/1\r')).not.toContain('8859');
  });

  it('a message of UTF-16 is answered in UTF-16', () => {
    const bytes = Buffer.from('\ufeffMSH|^~\\&|LAB|H|GW|S|2026||ORU^R01|A1|P|2.5\r', 'utf16le');
    expect(answerBytes(answer(bytes) ?? '', bytes).toString('utf16le')).toMatch(
      /^\ufeffMSH\|.*\|GW\|S\|LAB\|H\|.*\rMSA\|AA\|A1\r$/,
    );
  });

  it.each(['utf16le', 'utf8'] as const)('an answer in %s is read by who sent the message', (encoding) => {
    const bytes = Buffer.from('\ufeffMSH|^~\\&|LAB|H|GW|S|2026||ORU^R01|A1|P|2.5\r', encoding);
    const error = new GatewayError('invalid-syntax', 'not a message');
    expect(parseAck(answerBytes(answer(bytes, error) ?? '', bytes))).toEqual({
      code: 'AE',
      controlId: 'A1',
      condition: '100',
      text: 'not a message',
    });
  });

  it('a message whose MSH-2 is no use is answered under its MSH-10', () => {
    for (const encoding of ['', '^~\\&#$', 'abc'])
      expect(answer(`MSH|${encoding}|LAB|H|GW|S|2026||ORU^R01|A1|P|2.5\r`)).toContain('MSA|AA|A1\r');
  });

  it('AE with ERR: location, table 0357, severity, text', () => {
    const error = new GatewayError('required-missing', 'PID-3 is required | by the standard', {
      expression: 'PID-3[2].1',
    });
    const lines = (answer(MESSAGE, error) ?? '').split('\r');
    expect(lines[1]).toBe('MSA|AE|CTRL-1|PID-3 is required   by the standard');
    expect(lines[2]).toBe(
      'ERR||PID^1^3^2^1|101^Required field missing^HL70357|E||||PID-3 is required   by the standard',
    );
  });

  it('a place in a resource stands in the text', () => {
    const warning = new GatewayError('business-rule', 'the subject cannot change', { expression: 'Encounter.subject' });
    const header = ackHeader(Buffer.from(MESSAGE));
    const lines = (buildAck({ header, now: NOW, random: systemRandom, warning }) ?? '').split('\r');
    expect(lines[2]).toContain('|W||||kept, not converted yet: the subject cannot change (Encounter.subject)');
  });

  it('AR for what is not taken; ERR-1 before v2.5', () => {
    const error = new GatewayError('unsupported-event', 'this event is not supported', { expression: 'MSH-9.2' });
    const old = (answer(MESSAGE.replace('2.5.1', '2.3'), error) ?? '').split('\r');
    expect(old[0]).toContain('|ACK^R01|');
    expect(old[1]).toBe('MSA|AR|CTRL-1|this event is not supported');
    expect(old[2]).toBe('ERR|MSH^1^9^201&Unsupported event code&HL70357');
    expect(parseAck(Buffer.from(old.join('\r')))).toMatchObject({ code: 'AR', condition: '201' });
  });

  it('AA with a warning: ERR of severity W since v2.5, MSA-3 before; CA says nothing of it', () => {
    const warning = new GatewayError('unsupported-event', 'this event is not taken yet', { expression: 'MSH-9.2' });
    const warned = (message: string): string =>
      buildAck({ header: ackHeader(Buffer.from(message)), now: NOW, random: systemRandom, warning }) ?? '';
    const lines = warned(MESSAGE).split('\r');
    expect(lines[1]).toBe('MSA|AA|CTRL-1|kept, not converted yet: this event is not taken yet');
    expect(lines[2]).toBe(
      'ERR||MSH^1^9^1^2|201^Unsupported event code^HL70357|W||||kept, not converted yet: this event is not taken yet',
    );
    expect(warned(MESSAGE.replace('2.5.1', '2.7')).split('\r')[1]).toBe('MSA|AA|CTRL-1');
    const old = warned(MESSAGE.replace('2.5.1', '2.3'));
    expect(old).toContain('\rMSA|AA|CTRL-1|kept, not converted yet');
    expect(old).not.toContain('ERR');
    const [accept, application] = splitAnswers(warned(MESSAGE.replace('2.5.1', '2.5.1|||AL|AL')));
    expect(accept).toMatch(/\rMSA\|CA\|CTRL-1\r$/);
    expect(application).toContain('|W|');
  });

  // Every combination of table 0155; a condition of no table counts as AL, a missing one beside the other as NE.
  it.each([
    ['', '', ['AA'], ['AE']],
    ['AL', 'AL', ['CA', 'AA'], ['CE']],
    ['AL', 'NE', ['CA'], ['CE']],
    ['AL', 'ER', ['CA'], ['CE']],
    ['AL', 'SU', ['CA', 'AA'], ['CE']],
    ['AL', '', ['CA'], ['CE']],
    ['NE', 'AL', ['AA'], ['AE']],
    ['NE', 'NE', [], []],
    ['NE', 'ER', [], ['AE']],
    ['NE', 'SU', ['AA'], []],
    ['ER', 'AL', ['AA'], ['CE']],
    ['ER', 'NE', [], ['CE']],
    ['ER', 'ER', [], ['CE']],
    ['ER', 'SU', ['AA'], ['CE']],
    ['SU', 'AL', ['CA', 'AA'], ['AE']],
    ['SU', 'NE', ['CA'], []],
    ['SU', 'ER', ['CA'], ['AE']],
    ['SU', 'SU', ['CA', 'AA'], []],
    ['', 'ER', [], ['AE']],
    ['XX', 'NE', ['CA'], ['CE']],
  ])('MSH-15 %j and MSH-16 %j', (accept, application, ok, failed) => {
    const message = `MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5|||${accept}|${application}\r`;
    const codes = (text = ''): unknown[] => splitAnswers(text).map((one) => parseAck(Buffer.from(one))?.code);
    expect(codes(answer(message))).toEqual(ok);
    expect(codes(answer(message, new GatewayError('busy', 'busy')))).toEqual(failed);
    expect(expectedAnswers(Buffer.from(message))).toBe(ok.length);
  });

  it('CA and AA are messages of their own, and nobody is to acknowledge the AA', () => {
    const message = 'MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5|||AL|AL\r';
    const [accept, application] = splitAnswers(answer(message) ?? '').map((text) => ackHeader(Buffer.from(text)));
    expect(accept).toMatchObject({ messageCode: 'ACK', acceptAck: '', applicationAck: '' });
    expect(application).toMatchObject({ messageCode: 'ACK', acceptAck: 'NE', applicationAck: 'NE' });
    expect(application.controlId).not.toBe(accept.controlId);
  });

  it('the mode of a source holds where the message leaves both fields empty', () => {
    const header = ackHeader(Buffer.from(MESSAGE));
    expect(inMode(header, 'original')).toEqual(header);
    expect(ackKinds(inMode(header, { accept: 'AL', application: 'ER' }), true)).toEqual(['C']);
    const asking = { ...header, acceptAck: 'NE' };
    expect(inMode(asking, { accept: 'AL', application: 'AL' })).toEqual(asking);
  });

  it('answers with the delimiters of the message, and garbage with the usual ones', () => {
    expect(answer('MSH$*!@%$A$B$C$D$2026$$ADT*A01$9$P$2.5\r')).toContain('MSA$AA$9\r');
    const error = new GatewayError('invalid-syntax', 'the message does not begin with an MSH segment');
    expect(answer('garbage', error)).toMatch(/^MSH\|\^~\\&\|.*\rMSA\|AE\|\|.*\rERR\|/);
  });

  it('property: an answer to any bytes is itself a message and repeats nothing but MSH', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (noise) => {
        const bytes = Buffer.concat([Buffer.from('MSH|^~\\&|'), noise]);
        const text = answer(bytes, new GatewayError('invalid-syntax', 'not a message')) ?? '';
        if (text !== '') expect(parseAck(Buffer.from(text))?.code).toMatch(/^[AC]E$/);
        expect(text).toMatch(/^[\r -~\u0080-\u00ff]*$/);
      }),
    );
    expect(answer(MESSAGE, new GatewayError('internal', 'an internal error occurred'))).not.toContain('SECRET');
  });
});
