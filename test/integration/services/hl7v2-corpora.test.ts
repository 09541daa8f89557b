import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAck } from '../../../src/formats/hl7v2/ack.ts';
import { STRUCTURES } from '../../../src/normalize/hl7v2/structures.ts';
import { acceptHl7v2 } from '../../../src/services/accept-hl7v2.ts';
import { serviceDeps } from '../../support/hl7v2-writer.ts';
import { openTestWriter, type TestWriter } from '../../support/writer.ts';

const corpora = process.env.CORPORA_DIR;
if (corpora === undefined) console.log('CORPORA_DIR is not set: the HL7 v2 corpora are not sent to a database');

/** Messages that lack what their kind needs: kept, and nothing made of them. */
const DEFECTS: Readonly<Record<string, RegExp>> = { 'ADT-A41-02.hl7': /^ERR\|\|MRG\^1\^3\|101\^/ };

/** Sends one message, as one whose sender wants to hear of it; the answer's code, and its ERR where there is one. */
async function send(database: TestWriter, bytes: Buffer): Promise<{ code: string | undefined; error: string }> {
  const deps = serviceDeps({ submit: async (submission) => await database.writer.submit(submission) });
  const text = bytes.toString('latin1').replace(/^(MSH(?:\|[^|\r\n]*){13})\|\w+\|\w+/, '$1||');
  const [answer] = await acceptHl7v2(deps, Buffer.from(text, 'latin1'));
  return { code: parseAck(answer)?.code, error: /ERR[^\r]*/.exec(String(answer))?.[0] ?? '' };
}

describe.skipIf(corpora === undefined)('HL7 v2 corpora on a real database', () => {
  let shared: TestWriter;
  beforeAll(async () => {
    shared = await openTestWriter();
  });
  afterAll(() => shared.close());

  /** Different samples number the visits, accounts and orders of different patients alike: one of those meets a record of its own. */
  async function sendAnew(bytes: Buffer): Promise<string> {
    const own = await openTestWriter();
    try {
      return (await send(own, bytes)).error;
    } finally {
      await own.close();
    }
  }

  it('every message is accepted; what is not converted yet is of a kind that is not, or about a record of another patient', async () => {
    const folder = join(corpora ?? '', 'hl7v2/microsoft');
    const wrong: string[] = [];
    let converted = 0;
    for (const name of readdirSync(folder).toSorted()) {
      const bytes = readFileSync(join(folder, name));
      const [, type = '', event = ''] = /MSH(?:\|[^|\r\n]*){7}\|(\w+)\^(\w+)/.exec(bytes.toString('latin1')) ?? [];
      const { code, error } = await send(shared, bytes);
      if (code !== 'AA' && code !== 'CA') wrong.push(`${name} ${code ?? 'no answer'} ${error}`);
      const isKind = STRUCTURES[type]?.[event] !== undefined;
      if (error === '') converted++;
      else if (!isKind && !/\|20[01]\^/.test(error)) wrong.push(`${name} ${error}`);
      else if (isKind) {
        const alone = error.includes('the subject of an existing resource') ? await sendAnew(bytes) : error;
        if (alone !== '' && DEFECTS[name]?.test(alone) !== true) wrong.push(`${name} ${alone}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(converted).toBeGreaterThan(100);
  }, 120_000);
});
