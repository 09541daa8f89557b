/** The envelopes of answers to batches and files of batches (HL7 v2 section 2.10.3). */
import type { Random } from '../../core/random.ts';
import { ackHeader, freshControlId, timestamp, trimEnd } from './ack.ts';

/**
 * The answer to a batch (section 2.10.3): BHS, the acknowledgements of its messages in order, BTS with their number. `head`
 * begins with the BHS or MSH that is answered; sender and receiver are swapped. `comment` (BTS-2): what is wrong with the batch as a whole.
 */
export function buildBatchAnswer(
  head: Buffer,
  answers: readonly string[],
  now: number,
  random: Random,
  comment?: string,
): string {
  return enclose('BHS', head, answers, now, random, comment);
}

/** The answer to a file of batches: FHS, the answers to its batches, FTS with their number. `head` is its FHS; `comment` (FTS-2) as above. */
export function buildFileAnswer(
  head: Buffer,
  batches: readonly string[],
  now: number,
  random: Random,
  comment?: string,
): string {
  return enclose('FHS', head, batches, now, random, comment);
}

function enclose(
  id: 'BHS' | 'FHS',
  head: Buffer,
  parts: readonly string[],
  now: number,
  random: Random,
  comment = '',
): string {
  const isHeader = head.toString('latin1', 0, 3) === id;
  // BHS-2 to BHS-7 and FHS-2 to FHS-7 have the seats of MSH-2 to MSH-7.
  const header = ackHeader(isHeader ? Buffer.concat([Buffer.from('MSH'), head.subarray(3)]) : head);
  const { separator } = header;
  const controlId = isHeader ? (head.toString('latin1').split(separator)[10] ?? '').trim() : '';
  const fields = [
    id,
    header.encoding,
    header.receivingApplication,
    header.receivingFacility,
    header.sendingApplication,
    header.sendingFacility,
    timestamp(now),
    '',
    '',
    '',
    freshControlId(random),
    /^[ -~]{0,199}$/.test(controlId) ? controlId : '',
  ];
  // No delimiter of any message is a letter, a digit or a blank.
  const trailer = [id === 'BHS' ? 'BTS' : 'FTS', String(parts.length), comment.replace(/[^A-Za-z0-9 ]/g, ' ')];
  const ends = [fields, trailer].map((segment) => `${trimEnd(segment.join(separator), separator)}\r`);
  return ends.join(parts.join(''));
}
