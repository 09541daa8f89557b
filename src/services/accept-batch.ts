/**
 * Takes a batch, or a file of batches, that came in one piece (HL7 v2 section 2.10.3): message after message in their order, each
 * for itself, and one answer in the form of what came. Nothing is taken of a batch whose trailer counts otherwise than the messages
 * that came, nor of a file whose trailer counts other batches: it was cut or damaged, and a resend of the whole repeats nothing.
 */
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import { ackHeader, isAcknowledgement } from '../formats/hl7v2/ack.ts';
import { buildBatchAnswer, buildFileAnswer } from '../formats/hl7v2/batch-answer.ts';
import { damagedBatches, splitBatch, type SplitBatch } from '../formats/hl7v2/batch.ts';

export interface AcceptBatchDeps {
  readonly clock: Clock;
  readonly random: Random;
}

/** What is done with one message; both give its answers in their order, none where its sender wants none. */
export interface EachMessage {
  readonly accept: (message: Buffer) => Promise<readonly string[]>;
  readonly refuse: (message: Buffer, error: GatewayError) => readonly string[];
}

/**
 * The answer: a file for a file, a batch for a batch or for bare messages; undefined for what is itself an answer. Throws what `each`
 * throws.
 */
export async function acceptBatch(
  deps: AcceptBatchDeps,
  bytes: Buffer,
  each: EachMessage,
): Promise<string | undefined> {
  const { clock, random } = deps;
  const file = splitBatch(bytes);
  if (isAnswer(file)) return undefined;
  const damaged = damagedBatches(file);
  const answers: string[] = [];
  for (const [i, batch] of file.batches.entries()) {
    const error = damaged === 'all' ? wrongCount('FTS') : damaged.has(i) ? wrongCount('BTS') : undefined;
    const head = batch.header ?? batch.messages[0] ?? Buffer.alloc(0);
    answers.push(buildBatchAnswer(head, await answersOf(batch, each, error), clock.now(), random, error?.message));
  }
  const error = damaged === 'all' ? wrongCount('FTS').message : undefined;
  if (file.header !== undefined) return buildFileAnswer(file.header, answers, clock.now(), random, error);
  return answers.length === 0 ? buildBatchAnswer(Buffer.alloc(0), [], clock.now(), random) : answers.join('');
}

/** Two systems that answer each other's answers would never end: acknowledgements alone, or nothing under a reference (BHS-12). */
function isAnswer({ messages, batches }: ReturnType<typeof splitBatch>): boolean {
  if (messages.length > 0) return messages.every((message) => isAcknowledgement(ackHeader(message)));
  return batches.some(({ header }) => header?.toString('latin1').split(String.fromCharCode(header[3]))[11]?.trim());
}

async function answersOf(
  { messages }: SplitBatch,
  each: EachMessage,
  error: GatewayError | undefined,
): Promise<readonly string[]> {
  const answers: string[] = [];
  for (const message of messages) {
    answers.push(...(error === undefined ? await each.accept(message) : each.refuse(message, error)));
  }
  return answers;
}

function wrongCount(trailer: 'BTS' | 'FTS'): GatewayError {
  const text =
    trailer === 'BTS'
      ? 'BTS-1 counts other than the messages of the batch; none was taken'
      : 'FTS-1 counts other than the batches of the file; nothing was taken';
  return new GatewayError('invalid-syntax', text, { expression: `${trailer}-1` });
}
