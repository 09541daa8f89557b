import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SAMPLE_STAY, sampleOru } from '../../../src/cli/samples/hl7v2.ts';
import { parseAck } from '../../../src/formats/hl7v2/ack.ts';
import type { LogFields } from '../../../src/core/log.ts';
import { acceptHl7v2, type AcceptHl7v2Deps } from '../../../src/services/accept-hl7v2.ts';
import { storedMessage } from '../../../src/services/stored-message.ts';
import { messageStore } from '../../../src/storage/pg/message-store.ts';
import { quarantineStore } from '../../../src/storage/pg/quarantine-store.ts';
import type { Accepted } from '../../../src/write/submission.ts';
import { serviceDeps } from '../../support/hl7v2-writer.ts';
import { openTestWriter, type TestWriter } from '../../support/writer.ts';

let database: TestWriter;
const accepted: Accepted[] = [];
let deps: AcceptHl7v2Deps;

beforeAll(async () => {
  database = await openTestWriter();
  deps = serviceDeps({
    async submit(submission) {
      const result = await database.writer.submit(submission);
      accepted.push(result);
      return result;
    },
  });
});
afterAll(() => database.close());

const code = async (text: string): Promise<string | undefined> =>
  parseAck((await acceptHl7v2(deps, Buffer.from(text)))[0])?.code;
const outcomes = (result: Accepted | undefined): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { type, outcome } of result?.results ?? [])
    counts[`${type} ${outcome}`] = (counts[`${type} ${outcome}`] ?? 0) + 1;
  return counts;
};

describe('HL7 v2 on a real database', () => {
  it('a stay: each message is taken, and makes the versions it should', async () => {
    for (const { text } of SAMPLE_STAY) expect(await code(text)).toBe('AA');
    const [admission, report, correction, discharge] = accepted.map(outcomes);
    expect(admission).toEqual({
      'Patient created': 1,
      'Practitioner created': 1,
      'Encounter created': 1,
      'Location created': 4,
      'RelatedPerson created': 1,
    });
    expect(report).toEqual({
      'Patient unchanged': 1,
      'Practitioner unchanged': 1,
      'Encounter unchanged': 1,
      'ServiceRequest created': 1,
      'DiagnosticReport created': 1,
      'Observation created': 8,
    });
    expect(correction).toMatchObject({
      'Observation updated': 1,
      'Observation unchanged': 7,
      'DiagnosticReport updated': 1,
    });
    expect(discharge).toMatchObject({ 'Encounter updated': 1, 'Patient unchanged': 1 });
  });

  it('a resend replays its acknowledgement and changes nothing', async () => {
    const first = await acceptHl7v2(deps, Buffer.from(sampleOru(1)));
    const second = await acceptHl7v2(deps, Buffer.from(sampleOru(1)));
    expect(String(second)).toBe(String(first));
    expect(accepted.at(-1)).toMatchObject({ replayed: true, results: [] });
  });

  it('another message under the same control id is taken, and flagged with the one before', async () => {
    await acceptHl7v2(deps, Buffer.from(sampleOru(1)));
    const before = accepted.at(-1);
    expect(before?.sameControl).toBeUndefined();
    const events: LogFields[] = [];
    const log = { ...deps.log, warn: (fields: LogFields) => void events.push(fields) };
    const [answer] = await acceptHl7v2({ ...deps, log }, Buffer.from(`${sampleOru(1)}NTE|1||again\r`));
    expect(parseAck(answer)?.code).toBe('AA');
    expect(accepted.at(-1)).toMatchObject({ replayed: false, sameControl: before?.leaf });
    expect(events).toMatchObject([{ event: 'hl7v2.control-id-again', leaf: accepted.at(-1)?.leaf }]);
    const stores = { messages: messageStore(database.pool), quarantine: quarantineStore(database.pool) };
    const leaf = accepted.at(-1)?.leaf ?? before?.leaf;
    const kept = leaf && (await storedMessage({ ...stores, keyring: database.keyring }, leaf));
    expect(kept).toMatchObject({ sameControlId: before?.leaf });
  });

  it('many at once about one patient all arrive', async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => code(sampleOru(100 + i, 100))));
    expect(answers).toEqual(Array.from({ length: 12 }, () => 'AA'));
  });
});
