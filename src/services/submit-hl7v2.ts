/**
 * Converts an HL7 v2 message and submits what it means. A well-formed message that cannot be converted, or whose records cannot be
 * kept, goes into quarantine: anchored with its bytes and the reason, positively acknowledged, listed, reprocessed later. A resend would
 * bring the same fault again, and a negative answer would stall the feed. What only the sender or a resend can cure is thrown.
 */
import { asGatewayError, GatewayError, type ErrorCode } from '../core/errors.ts';
import { describeError, type Log } from '../core/log.ts';
import { parseHl7v2, type Hl7Message } from '../formats/hl7v2/message.ts';
import { normalizeHl7v2, outlineHl7v2, type Normalized } from '../normalize/hl7v2/normalize.ts';
import type { SourceProfile } from '../normalize/hl7v2/source-profile.ts';
import type { LeafIndex } from '../core/ids.ts';
import type { Details } from '../record/manifest.ts';
import type { Accepted, Submission, Writer } from '../write/submission.ts';

export interface SubmitHl7v2Deps {
  readonly writer: Writer;
  readonly log: Log;
}

export interface IncomingHl7v2 {
  /** One message. Kept until the promise resolves: the caller must not change them. */
  readonly bytes: Buffer;
  readonly profile: SourceProfile;
  /** Milliseconds since 1970. */
  readonly receivedAt: number;
  /** The positive answer, stored with the message; `warning`: why it is in quarantine. */
  readonly answer: (warning?: GatewayError) => string;
}

export interface SubmittedHl7v2 {
  readonly accepted: Accepted;
  /** Why the message is in quarantine now; undefined when it was converted, or had come before. */
  readonly quarantined?: GatewayError;
}

export const HL7V2_CONTENT = 'x-application/hl7-v2+er7';

/** Faults of the message that its sender must mend, or of the sender: nothing of it is kept. */
const OF_THE_SENDER: ReadonlySet<ErrorCode> = new Set([
  'invalid-syntax',
  'invalid-charset',
  'unsupported-version',
  'unsupported-processing-id',
  'unauthenticated',
  'forbidden',
]);

/** True where a negative answer helps: the sender can mend MSH, syntax or bytes, or a resend may find us able. */
export function isForSender({ code, form, expression }: GatewayError): boolean {
  return form.http >= 500 || OF_THE_SENDER.has(code) || /^MSH(?!-9\.[12])/.test(expression ?? '');
}

/** Durable on return. Throws GatewayError for what is not kept. */
export async function submitHl7v2(deps: SubmitHl7v2Deps, incoming: IncomingHl7v2): Promise<SubmittedHl7v2> {
  const { bytes, profile, receivedAt } = incoming;
  const message = parseHl7v2(bytes, profile);
  const converted = convert(deps, message, profile, receivedAt);
  if (converted instanceof GatewayError) return keep(deps, incoming, message, converted);
  try {
    const accepted = await deps.writer.submit({
      ...submissionOf(converted, profile, receivedAt),
      control: converted.controlId,
      raw: { bytes, contentType: HL7V2_CONTENT },
      answer: () => incoming.answer(),
    });
    return { accepted };
  } catch (thrown) {
    const error = asGatewayError(thrown);
    if (isForSender(error)) throw thrown;
    return keep(deps, incoming, message, error);
  }
}

/** Puts a message into quarantine for a reason of the caller's (an unknown source). Durable on return. Throws as `submitHl7v2`. */
export async function quarantineHl7v2(
  deps: SubmitHl7v2Deps,
  incoming: IncomingHl7v2,
  reason: GatewayError,
): Promise<SubmittedHl7v2> {
  return keep(deps, incoming, parseHl7v2(incoming.bytes, incoming.profile), reason);
}

/** A message in quarantine that is tried again. */
export interface KeptHl7v2 {
  readonly bytes: Buffer;
  readonly profile: SourceProfile;
  /** When it came, milliseconds since 1970: it is converted as it would have been then. */
  readonly receivedAt: number;
  readonly leaf: LeafIndex;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Kept beside the details of the message. No PHI. */
  readonly details: Details;
}

/**
 * Converts a message of the quarantine and submits what it means under a manifest that refers to it; the reason where it
 * cannot be converted yet: nothing is written then. Of two at a time one is answered as a replay. Durable on return. Throws
 * GatewayError where the gateway cannot write now.
 */
export async function resubmitHl7v2(deps: SubmitHl7v2Deps, kept: KeptHl7v2): Promise<Accepted | GatewayError> {
  const { bytes, profile, receivedAt, leaf, now } = kept;
  try {
    const converted = convert(deps, parseHl7v2(bytes, profile), profile, receivedAt);
    if (converted instanceof GatewayError) return converted;
    const submission = submissionOf(converted, profile, now);
    const details = { ...submission.details, ...kept.details };
    return await deps.writer.submit({ ...submission, details, reprocessOf: leaf });
  } catch (thrown) {
    const error = asGatewayError(thrown);
    if (error.form.http >= 500) throw thrown;
    return error;
  }
}

function submissionOf({ changes, sourceTime, details }: Normalized, profile: SourceProfile, at: number): Submission {
  const content = { changes, receivedAt: at, sourceTime, details: { ...details, ...versionOf(profile) } };
  return { kind: 'hl7v2', source: profile.name, ...content, validate: true };
}

/** Which version of the source's profile read the message; nothing for a profile of the settings. */
function versionOf({ version }: SourceProfile): Details {
  return version === 0 ? {} : { sourceVersion: version };
}

/** The error of a message that must go into quarantine; other errors are thrown. */
function convert(
  { log }: SubmitHl7v2Deps,
  message: Hl7Message,
  profile: SourceProfile,
  receivedAt: number,
): Normalized | GatewayError {
  try {
    return normalizeHl7v2(message, profile, receivedAt);
  } catch (thrown) {
    if (thrown instanceof GatewayError) {
      if (isForSender(thrown)) throw thrown;
      return thrown;
    }
    // Conversion reads nothing but the message: a fault of ours comes back with every resend.
    log.error({ event: 'hl7v2.conversion-failed', ...describeError(thrown) });
    return new GatewayError('internal', 'the conversion failed; the log has the class of the error', { cause: thrown });
  }
}

async function keep(
  { writer }: SubmitHl7v2Deps,
  { bytes, profile, receivedAt, answer }: IncomingHl7v2,
  message: Hl7Message,
  reason: GatewayError,
): Promise<SubmittedHl7v2> {
  const { controlId, sourceTime, details, about } = outlineHl7v2(message, profile, receivedAt);
  const { code, expression, message: text } = reason;
  const accepted = await writer.submit({
    kind: 'hl7v2',
    source: profile.name,
    control: controlId,
    raw: { bytes, contentType: HL7V2_CONTENT },
    about,
    changes: [],
    receivedAt,
    sourceTime,
    details: { ...details, ...versionOf(profile) },
    quarantine: { code, ...(expression !== undefined && { expression }), text },
    answer: () => answer(reason),
  });
  return accepted.replayed ? { accepted } : { accepted, quarantined: reason };
}
