/**
 * Takes HL7 v2 messages and answers them. The acknowledgement is made once, stored with the message, and replayed to a
 * resend. Positive answers exist only after the commit; faults that the sender can mend become AE or AR (CE, CR) with ERR.
 */
import type { Clock } from '../core/clock.ts';
import { asGatewayError, type ErrorCode, type GatewayError } from '../core/errors.ts';
import { describeError, type Log } from '../core/log.ts';
import type { Random } from '../core/random.ts';
import {
  ackHeader,
  answerBytes,
  buildAck,
  inMode,
  isAcknowledgement,
  splitAnswers,
  type AckHeader,
} from '../formats/hl7v2/ack.ts';
import { isBatch } from '../formats/hl7v2/batch.ts';
import type { Writer } from '../write/submission.ts';
import type { ClientCertificate, Sources } from './sources.ts';
import { acceptBatch } from './accept-batch.ts';
import { quarantineHl7v2, submitHl7v2 } from './submit-hl7v2.ts';

export type Hl7Outcome = 'accepted' | 'duplicate' | 'quarantined' | 'refused' | 'failed' | 'ignored';

export interface AcceptHl7v2Deps {
  readonly writer: Writer;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly sources: Sources;
  /** Told of every message, with the seconds from its last byte to its answer. Must not throw. */
  readonly observe?: (outcome: Hl7Outcome, seconds: number) => void;
  /** Told of every message that goes into quarantine. Must not throw. */
  readonly onQuarantined?: (reason: ErrorCode) => void;
}

/**
 * Takes what one frame or file holds: a message, or a batch. Returns the answers in their order, durable facts first; none when
 * the sender wants none (MSH-15 and MSH-16 `NE`). `client`: the certificate of the connection. Never throws. The bytes are
 * kept until it resolves: the caller must not change them.
 */
export async function acceptHl7v2(
  deps: AcceptHl7v2Deps,
  bytes: Buffer,
  client?: ClientCertificate,
): Promise<readonly Buffer[]> {
  if (!isBatch(bytes)) return toBytes(await acceptMessage(deps, bytes, client), bytes);
  const answer = await acceptBatch(deps, bytes, {
    accept: async (message) => splitAnswers((await acceptMessage(deps, message, client)) ?? ''),
    refuse: (message, error) => {
      deps.observe?.('refused', 0);
      return splitAnswers(refuse(deps, headerOf(deps, message), error) ?? '');
    },
  });
  return answer === undefined ? [] : [Buffer.from(answer, 'latin1')];
}

/** The answer to a message that was not read to its end: `head` is what there is of it. */
export function refuseHl7v2(deps: AcceptHl7v2Deps, head: Buffer, error: GatewayError): readonly Buffer[] {
  deps.observe?.('refused', 0);
  return toBytes(refuse(deps, headerOf(deps, head), error), head);
}

/** What an answer needs of a message that is not looked at. */
function headerOf(deps: AcceptHl7v2Deps, head: Buffer): AckHeader {
  const header = ackHeader(head);
  return inMode(header, deps.sources.chooseKept(header).acknowledgement);
}

async function acceptMessage(
  deps: AcceptHl7v2Deps,
  bytes: Buffer,
  client: ClientCertificate | undefined,
): Promise<string | undefined> {
  const startedAt = performance.now();
  const done = (outcome: Hl7Outcome): void => deps.observe?.(outcome, (performance.now() - startedAt) / 1000);
  const asked = ackHeader(bytes);
  if (isAcknowledgement(asked)) {
    done('ignored');
    return undefined;
  }
  const { profile, acknowledgement, refused, quarantine } = deps.sources.choose(asked, client);
  const header = inMode(asked, acknowledgement);
  try {
    if (refused !== undefined && quarantine === undefined) throw refused;
    const receivedAt = deps.clock.now();
    const answer = (warning?: GatewayError): string =>
      buildAck({ header, now: deps.clock.now(), random: deps.random, ...(warning && { warning }) }) ?? '';
    const incoming = { bytes, profile, receivedAt, answer };
    const { accepted, quarantined } =
      refused === undefined ? await submitHl7v2(deps, incoming) : await quarantineHl7v2(deps, incoming, refused);
    if (accepted.sameControl !== undefined)
      deps.log.warn({ event: 'hl7v2.control-id-again', source: profile.name, leaf: accepted.leaf });
    if (quarantined !== undefined) {
      deps.log.warn({ event: 'hl7v2.quarantined', code: quarantined.code, kind: kindOf(header), leaf: accepted.leaf });
      deps.onQuarantined?.(quarantined.code);
    }
    done(quarantined !== undefined ? 'quarantined' : accepted.replayed ? 'duplicate' : 'accepted');
    return accepted.answer === '' ? undefined : accepted.answer;
  } catch (thrown) {
    const error = asGatewayError(thrown);
    const failed = error.form.http >= 500;
    done(failed ? 'failed' : 'refused');
    const fields = { event: 'hl7v2.refused', code: error.code, kind: kindOf(header), bytes: bytes.length };
    if (failed) deps.log.error({ ...fields, ...describeError(thrown) });
    else deps.log.warn(fields);
    return refuse(deps, header, error);
  }
}

/** `ADT^A01` for the log: only what has the form of a type and an event. */
function kindOf(header: AckHeader): string {
  return [header.messageCode, header.trigger].map((code) => (/^[A-Z][A-Z0-9]{2}$/.test(code) ? code : '?')).join('^');
}

function refuse(deps: AcceptHl7v2Deps, header: AckHeader, error: GatewayError): string | undefined {
  return buildAck({ header, error, now: deps.clock.now(), random: deps.random });
}

function toBytes(text: string | undefined, message: Buffer): readonly Buffer[] {
  return splitAnswers(text ?? '').map((answer) => answerBytes(answer, message));
}
