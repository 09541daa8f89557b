/**
 * HL7 v2 files as messages, of any size: each file is read twice, first for its counts (a batch that did not come whole is not
 * touched), then message by message. Memory is that of one message. What was recorded from a line, in MLLP frames, is read as well;
 * a frame that was cut off is no message.
 */
import { createReadStream } from 'node:fs';
import { HL7_MAX_MESSAGE_BYTES } from '../core/limits.ts';
import { MllpDecoder, VT, type FrameEvent } from '../formats/hl7v2/mllp-frame.ts';
import { BatchReader, damagedBatches, type BatchFile, type BatchPiece } from '../formats/hl7v2/batch.ts';
import type { Sent } from './sent.ts';

const CR = 0x0d;
const LF = 0x0a;

/** A message and where it stood. */
export interface Hl7Item {
  /** `file`, or `file#3` in a file of several. */
  readonly path: string;
  readonly message: Buffer;
}

export interface Hl7Files {
  /** Messages that `items` will yield. */
  readonly count: number;
  /** The messages of all files in their order. Can be asked for once more. */
  readonly items: () => AsyncGenerator<Hl7Item, void>;
  /** What is not among them, and why. */
  readonly problems: readonly Sent[];
}

interface Survey {
  readonly path: string;
  readonly file: BatchFile;
  readonly messages: number;
  readonly damaged: ReturnType<typeof damagedBatches>;
}

/** A message that stands in the file and cannot be given out. */
interface Lost {
  readonly batch: number;
  /** Among the messages of the file, from 1. */
  readonly number: number;
  readonly kind: Exclude<BatchPiece['kind'], 'message'>;
}

/** Looks the files through. Rejects with the error of the file system where one cannot be read. */
export async function openHl7Files(paths: readonly string[]): Promise<Hl7Files> {
  const surveys: Survey[] = [];
  const problems: Sent[] = [];
  let count = 0;
  for (const path of paths) {
    const { survey, lost } = await look(path);
    surveys.push(survey);
    problems.push(...problemsOf(survey));
    for (const { number, kind } of lost) {
      const problem = kind === 'cut-off' ? 'its frame was cut off' : `larger than ${HL7_MAX_MESSAGE_BYTES} bytes`;
      problems.push({ path: `${path}#${number}`, accepted: false, answer: 'not sent', problem });
    }
    count += wholeMessages(survey) - lost.length;
  }
  return { count, problems, items: () => messagesOf(surveys) };
}

async function look(path: string): Promise<{ survey: Survey; lost: readonly Lost[] }> {
  const reader = new BatchReader(HL7_MAX_MESSAGE_BYTES);
  const lost: Lost[] = [];
  let messages = 0;
  for await (const piece of pieces(path, reader)) {
    messages += 1;
    if (piece.kind !== 'message') lost.push({ batch: piece.batch, kind: piece.kind, number: messages });
  }
  const file = reader.result();
  const survey = { path, file, messages, damaged: damagedBatches(file) };
  return { survey, lost: lost.filter(({ batch }) => isWhole(survey, batch)) };
}

function problemsOf({ path, file, messages, damaged }: Survey): readonly Sent[] {
  const not = (where: string, problem: string): Sent => ({ path: where, accepted: false, answer: 'not sent', problem });
  if (messages === 0 && file.batches.every(({ declared }) => declared === undefined))
    return [not(path, 'no HL7 v2 message in it')];
  if (damaged === 'all')
    return [not(path, `its trailer counts ${file.declared} batches, it holds ${file.batches.length}`)];
  return [...damaged].map((i) => {
    const { declared, count } = file.batches[i];
    const where = file.batches.length === 1 ? path : `${path} batch ${i + 1}`;
    return not(where, `its trailer counts ${declared} messages, it holds ${count}`);
  });
}

function isWhole({ damaged }: Survey, batch: number): boolean {
  return damaged !== 'all' && !damaged.has(batch);
}

function wholeMessages(survey: Survey): number {
  return survey.file.batches.reduce((sum, { count }, i) => sum + (isWhole(survey, i) ? count : 0), 0);
}

async function* messagesOf(surveys: readonly Survey[]): AsyncGenerator<Hl7Item, void> {
  for (const survey of surveys) {
    if (wholeMessages(survey) === 0) continue;
    let number = 0;
    for await (const piece of pieces(survey.path, new BatchReader(HL7_MAX_MESSAGE_BYTES))) {
      number += 1;
      if (piece.kind !== 'message' || !isWhole(survey, piece.batch)) continue;
      const path = survey.messages === 1 ? survey.path : `${survey.path}#${number}`;
      yield { path, message: piece.bytes };
    }
  }
}

async function* pieces(path: string, reader: BatchReader): AsyncGenerator<BatchPiece, void> {
  let frames: MllpDecoder | undefined;
  let begun = false;
  for await (const chunk of createReadStream(path)) {
    if (!Buffer.isBuffer(chunk)) continue;
    if (!begun && isFramed(chunk)) frames = new MllpDecoder(HL7_MAX_MESSAGE_BYTES);
    begun = true;
    if (frames === undefined) yield* reader.push(chunk);
    else yield* framed(frames.push(chunk), reader);
  }
  if (frames !== undefined) yield* framed(frames.end(), reader);
  yield* reader.end();
}

/** A recording of what went over a line: its messages stand in MLLP frames. */
function isFramed(start: Buffer): boolean {
  const first = start.findIndex((byte) => byte !== CR && byte !== LF && byte !== 0);
  return start[first] === VT;
}

function* framed(events: readonly FrameEvent[], reader: BatchReader): Generator<BatchPiece, void> {
  for (const event of events) {
    if (event.kind === 'frame') {
      yield* reader.push(event.bytes);
      yield* reader.end();
    } else {
      yield reader.lost(event.kind === 'truncated' ? 'cut-off' : 'too-large');
    }
  }
}
