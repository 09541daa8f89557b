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

/** Sends one message; the answer's code, and its ERR where there is one. */
async function send(database: TestWriter, bytes: Buffer): Promise<{ code: string | undefined; error: string }> {
  let silent: string | undefined;
  const deps = serviceDeps({
    async submit(submission) {
      const accepted = await database.writer.submit(submission);
      // MSH-15 and MSH-16 `NE` want no answer to what was taken.
      if (submission.quarantine === undefined) silent = 'AA';
      return accepted;
    },
  });
  const [answer] = await acceptHl7v2(deps, bytes);
  if (answer === undefined) return { code: silent, error: silent === undefined ? 'no answer, and not taken' : '' };
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
      const { code, error } = await send(own, bytes);
      return code === 'AA' || code === 'CA' ? '' : error;
    } finally {
      await own.close();
    }
  }

  it('messages of every kind that is taken', { timeout: 120_000 }, async () => {
    const folder = join(corpora ?? '', 'hl7v2/microsoft');
    const refused: string[] = [];
    let taken = 0;
    for (const name of readdirSync(folder).toSorted()) {
      const bytes = readFileSync(join(folder, name));
      const [, type = '', event = ''] = /MSH(?:\|[^|\r\n]*){7}\|(\w+)\^(\w+)/.exec(bytes.toString('latin1')) ?? [];
      if (STRUCTURES[type]?.[event] === undefined) continue;
      const { code, error } = await send(shared, bytes);
      const problem = error.includes('the subject of an existing resource') ? await sendAnew(bytes) : error;
      if (problem !== '') refused.push(`${name} ${code ?? ''} ${problem}`);
      else taken++;
    }
    // A41 merges an account without saying which.
    expect(refused).toEqual([expect.stringMatching(/^ADT-A41-02.hl7 AA ERR\|\|MRG\^1\^3\|101/)]);
    expect(taken).toBeGreaterThan(100);
  });
});
