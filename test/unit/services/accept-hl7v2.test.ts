import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/core/errors.ts';
import type { LogFields } from '../../../src/core/log.ts';
import { parseAck } from '../../../src/formats/hl7v2/ack.ts';
import { acceptHl7v2, refuseHl7v2 } from '../../../src/services/accept-hl7v2.ts';
import { fakeWriter, serviceDeps } from '../../support/hl7v2-writer.ts';
import { adt, oru } from '../../support/hl7v2.ts';

const MESSAGE = oru({ obx: ['OBX|1|NM|1^A^L||1||||||F'] });

async function answerTo(message: string | Buffer, writer = fakeWriter()): Promise<string> {
  return (await acceptHl7v2(serviceDeps(writer), Buffer.from(message))).join('');
}

describe('a message', () => {
  it('is submitted as it came and answered AA', async () => {
    const writer = fakeWriter();
    expect(parseAck(Buffer.from(await answerTo(MESSAGE, writer)))).toMatchObject({ code: 'AA', controlId: 'C1' });
    const [submission] = writer.submissions;
    expect(submission).toMatchObject({
      kind: 'hl7v2',
      source: 'test',
      control: 'C1',
      details: { messageCode: 'ORU', event: 'R01' },
      validate: true,
    });
    expect(String(submission.raw?.bytes)).toBe(MESSAGE);
  });

  it('sent again has the same answer, byte for byte', async () => {
    const writer = fakeWriter();
    const first = await answerTo(MESSAGE, writer);
    expect(await answerTo(MESSAGE, writer)).toBe(first);
    expect(writer.submissions).toHaveLength(1);
    expect(await answerTo(MESSAGE.replace('||1||', '||2||'), writer)).not.toBe(first);
    expect(writer.submissions).toHaveLength(2);
  });

  it.each([
    ['garbage', 'AE', '100'],
    ['', 'AE', '100'],
    [MESSAGE.replace('|P|2.5.1', '|P|9.9'), 'AR', '203'],
    [MESSAGE.replace('|C1|', '||'), 'AE', '101'],
    [MESSAGE.replace('ORU^R01^ORU_R01', ''), 'AE', '101'],
  ])('%j is %s %s', async (message, code, condition) => {
    expect(parseAck(Buffer.from(await answerTo(message)))).toMatchObject({ code, condition });
  });

  it.each([
    ['an unknown event', adt('A99', ['PID|1||1^^^H^MR']), 'unsupported-event', 'MSH-9.2', '201'],
    ['an unknown type', MESSAGE.replace('ORU^R01^ORU_R01', 'QBP^Q11'), 'unsupported-message-type', 'MSH-9.1', '200'],
    ['a segment without what it needs', oru({ obx: ['OBX|1|NM|||1'] }), 'required-missing', 'OBX[1]-3', '101'],
    ['no patient', oru({ obx: [] }).replace(/PID[^\r]*\r/, ''), 'required-missing', 'PID', '101'],
  ])('that is well-formed and cannot be converted is kept: %s', async (_name, message, code, expression, condition) => {
    const writer = fakeWriter();
    const seen: string[] = [];
    const deps = {
      ...serviceDeps(writer),
      observe: (outcome: string) => seen.push(outcome),
      onQuarantined: (reason: string) => seen.push(reason),
    };
    const [first] = await acceptHl7v2(deps, Buffer.from(message));
    expect(parseAck(first)).toMatchObject({ code: 'AA', condition });
    expect(String(first)).toMatch(/\rERR\|[^\r]*\|W\|/);
    const [submission] = writer.submissions;
    expect(submission).toMatchObject({ changes: [], quarantine: { code, expression } });
    expect(String(submission.raw?.bytes)).toBe(message);
    expect(await acceptHl7v2(deps, Buffer.from(message))).toEqual([first]);
    expect(seen).toEqual([code, 'quarantined', 'duplicate']);
  });

  it('whose records cannot be kept goes into quarantine, with the patient that it is about', async () => {
    const writer = fakeWriter();
    writer.behave = async ({ changes }) => {
      if (changes.length > 0) throw new GatewayError('business-rule', 'not so', { expression: 'Encounter.subject' });
    };
    expect(parseAck(Buffer.from(await answerTo(MESSAGE, writer)))).toMatchObject({ code: 'AA', condition: '207' });
    const [{ about, details, quarantine }] = writer.submissions;
    expect(quarantine).toEqual({ code: 'business-rule', expression: 'Encounter.subject', text: 'not so' });
    expect(about).toEqual([['identifier', expect.any(String), expect.any(String)]]);
    expect(details).toMatchObject({ unmapped: { PID: 1, OBR: 1, OBX: 1 } });
  });

  it('before version 2.5 a warning stands in MSA-3 alone: its ERR has no severity', async () => {
    const answer = await answerTo(adt('A99', ['PID|1||1']).replace('|2.5.1', '|2.3'));
    expect(answer).toMatch(/MSA\|AA\|[^|]+\|kept, not converted yet: this event of ADT is not taken yet\r/);
    expect(answer).not.toContain('ERR');
  });

  it('with bytes of another character set is AE', async () => {
    expect(parseAck(Buffer.from(await answerTo(Buffer.from(MESSAGE.replace('Doe', 'Dö'), 'latin1'))))).toMatchObject({
      code: 'AE',
      condition: '102',
    });
  });

  it('that the writer cannot take now is AE, and the log names no value', async () => {
    const logged: LogFields[] = [];
    const writer = fakeWriter();
    const log = {
      debug: () => {},
      info: () => {},
      warn: (fields: LogFields) => logged.push(fields),
      error: (fields: LogFields) => logged.push(fields),
    };
    const outcomes: string[] = [];
    const deps = { ...serviceDeps(writer), log, observe: (outcome: string) => outcomes.push(outcome) };
    writer.behave = () => Promise.reject(new Error('CANARY of a library'));
    const answer = (await acceptHl7v2(deps, Buffer.from(MESSAGE.replace('Doe', 'CANARY')))).join('');
    expect(parseAck(Buffer.from(answer))).toMatchObject({ code: 'AE', condition: '207' });
    writer.behave = () => Promise.reject(new GatewayError('busy', 'too much at once; send it again'));
    expect(parseAck((await acceptHl7v2(deps, Buffer.from(MESSAGE)))[0])).toMatchObject({
      code: 'AE',
      condition: '206',
    });
    writer.behave = undefined;
    await acceptHl7v2(deps, Buffer.from(MESSAGE));
    await acceptHl7v2(deps, Buffer.from(MESSAGE));
    expect(outcomes).toEqual(['failed', 'failed', 'accepted', 'duplicate']);
    expect(logged[0]).toMatchObject({ event: 'hl7v2.refused', code: 'internal', kind: 'ORU^R01' });
    expect(JSON.stringify(logged) + answer).not.toContain('CANARY');
  });

  it('in enhanced mode is answered as MSH-15 and MSH-16 ask', async () => {
    const enhanced = (accept: string): string => MESSAGE.replace('|P|2.5.1', `|P|2.5.1|||${accept}|NE`);
    expect(parseAck(Buffer.from(await answerTo(enhanced('AL'))))?.code).toBe('CA');
    expect(await answerTo(enhanced('NE'))).toBe('');
    const writer = fakeWriter();
    await answerTo(enhanced('NE'), writer);
    expect(await answerTo(enhanced('NE'), writer)).toBe('');
    expect(writer.submissions).toHaveLength(1);
  });

  it('property: any bytes get an answer, and nothing throws', async () => {
    const writer = fakeWriter();
    await fc.assert(
      fc.asyncProperty(fc.nat(MESSAGE.length), fc.uint8Array({ maxLength: 8 }), async (at, noise) => {
        const bytes = Buffer.concat([
          Buffer.from(MESSAGE.slice(0, at)),
          noise,
          Buffer.from(MESSAGE.slice(at + noise.length)),
        ]);
        for (const answer of await acceptHl7v2(serviceDeps(writer), bytes))
          expect(/^(MSH|BHS)/.test(String(answer))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a batch', () => {
  const two = (count: number): string =>
    `BHS|^~\\&|LAB|HOSP|GW|HOSP|2026||||B7\r${MESSAGE}${MESSAGE.replace('|C1|', '|C2|')}BTS|${count}\r`;

  it('is answered by a batch', async () => {
    const writer = fakeWriter();
    const lines = (await answerTo(two(2), writer)).split('\r');
    expect(lines[0]).toMatch(/^BHS\|\^~\\&\|GW\|HOSP\|LAB\|HOSP\|.*\|B7$/);
    expect(lines.filter((line) => line.startsWith('MSA'))).toEqual(['MSA|AA|C1', 'MSA|AA|C2']);
    expect(lines.at(-2)).toBe('BTS|2');
    expect(writer.submissions).toHaveLength(2);
  });

  it('one bad message does not sink it', async () => {
    const answer = await answerTo(two(2).replace('|P|2.5.1', '|P|9.9'));
    expect(answer).toContain('MSA|AR|C1');
    expect(answer).toContain('MSA|AA|C2');
  });

  it('with a wrong count is refused whole', async () => {
    const writer = fakeWriter();
    const answer = await answerTo(two(3), writer);
    expect(answer.match(/MSA\|AE/g)).toHaveLength(2);
    expect(writer.submissions).toEqual([]);
  });

  it('whose messages were all lost is told so', async () => {
    const said = /\rBTS\|0\|BTS 1 counts other than the messages of the batch  none was taken\r/;
    expect(await answerTo('BHS|^~\\&|LAB|HOSP\rBTS|3\r')).toMatch(said);
    expect(await answerTo('FHS|^~\\&|LAB|HOSP\rFTS|2\r')).toMatch(/\rFTS\|0\|FTS 1 counts other/);
  });

  const file = (second: string, batches = 2): string =>
    `FHS|^~\\&|LAB|HOSP|GW|HOSP|2026||||F9\r${two(2)}${second}FTS|${batches}\r`;
  const third = `BHS|^~\\&|LAB|HOSP|GW|HOSP|2026||||B8\r${MESSAGE.replace('|C1|', '|C3|')}BTS|1\r`;

  it('of several in a file is answered by a file', async () => {
    const writer = fakeWriter();
    const lines = (await answerTo(file(third), writer)).split('\r').filter((line) => !line.startsWith('MSH'));
    expect(lines.map((line) => line.replace(/\|.*\|(\w+)$/, '|..|$1'))).toEqual([
      'FHS|..|F9',
      'BHS|..|B7',
      'MSA|..|C1',
      'MSA|..|C2',
      'BTS|2',
      'BHS|..|B8',
      'MSA|..|C3',
      'BTS|1',
      'FTS|2',
      '',
    ]);
    expect(writer.submissions.map(({ control }) => control)).toEqual(['C1', 'C2', 'C3']);
  });

  it('that does not count right sinks alone; a file that does not, whole', async () => {
    const writer = fakeWriter();
    const answer = await answerTo(file(third.replace('BTS|1', 'BTS|2')), writer);
    expect(answer.match(/MSA\|A[AE]\|C\d/g)).toEqual(['MSA|AA|C1', 'MSA|AA|C2', 'MSA|AE|C3']);
    expect(answer).toContain('ERR||BTS^1^1');
    const whole = await answerTo(file(third, 3), writer);
    expect(whole.match(/MSA\|A[AE]\|C\d/g)).toEqual(['MSA|AE|C1', 'MSA|AE|C2', 'MSA|AE|C3']);
    expect(whole).toContain('ERR||FTS^1^1');
    expect(writer.submissions).toHaveLength(2);
    // The mended file repeats nothing.
    await answerTo(file(third), writer);
    expect(writer.submissions.map(({ control }) => control)).toEqual(['C1', 'C2', 'C3']);
  });

  it('holds both answers of a message in enhanced mode', async () => {
    const answer = await answerTo(two(2).replaceAll('|P|2.5.1', '|P|2.5.1|||AL|AL'));
    expect(answer.match(/MSA\|[AC]A\|C\d/g)).toEqual(['MSA|CA|C1', 'MSA|AA|C1', 'MSA|CA|C2', 'MSA|AA|C2']);
    expect(answer).toMatch(/BTS\|4\r$/);
  });

  it('of acknowledgements, and an empty one that refers to another, is not answered', async () => {
    const writer = fakeWriter();
    const answer = await answerTo(two(2), writer);
    expect(await answerTo(answer, writer)).toBe('');
    const silent = await answerTo(two(2).replaceAll('|P|2.5.1', '|P|2.5.1|||NE|NE'), writer);
    expect(silent).toMatch(/^BHS[^\r]*\|B7\rBTS\|0\r$/);
    expect(await answerTo(silent, writer)).toBe('');
    expect(await answerTo('BHS|^~\\&|LAB|HOSP\rBTS|0\r', writer)).toMatch(/^BHS[^\r]*\rBTS\|0\r$/);
  });

  it('without an envelope is taken as well', async () => {
    const writer = fakeWriter();
    await answerTo(MESSAGE + MESSAGE.replace('|C1|', '|C2|'), writer);
    expect(writer.submissions).toHaveLength(2);
  });
});

describe('a message that was not read to its end', () => {
  it('is answered by its head', () => {
    const [answer] = refuseHl7v2(
      serviceDeps(fakeWriter()),
      Buffer.from(MESSAGE.slice(0, 200)),
      new GatewayError('too-large', 'too large'),
    );
    expect(parseAck(answer)).toMatchObject({ code: 'AR', controlId: 'C1' });
  });
});
