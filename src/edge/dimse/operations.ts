/**
 * DIMSE service provider (PS3.7): gathers the commands and data sets of one association and answers them. C-ECHO and
 * C-STORE are done; every other operation gets 0211 (unrecognised operation). One operation at a time.
 */
import { describeError, type Log } from '../../core/log.ts';
import { asGatewayError, GatewayError } from '../../core/errors.ts';
import { DICOM_MAX_COMMAND_BYTES } from '../../core/limits.ts';
import {
  COMMAND,
  decodeCommand,
  encodeCommand,
  RESPONSE_BIT,
  STATUS,
  type Command,
} from '../../formats/dicom/command.ts';
import type { DataValue } from '../../formats/dicom/pdu.ts';
import { isUid, VERIFICATION_UID } from '../../formats/dicom/uid.ts';
import type { IncomingInstance, RefusedInstance, StoredInstance } from '../../services/store-instance.ts';
import { createChannel, type Channel } from './channel.ts';
import type { AcceptedContext } from './negotiate.ts';

/** Stores one object: `services/store-instance` with its dependencies bound. */
export type StoreInstancePort = (instance: IncomingInstance) => Promise<StoredInstance | RefusedInstance>;

export interface OperationsDeps {
  readonly storeInstance: StoreInstancePort;
  readonly log: Log;
  /** Called for each C-STORE with its outcome and the seconds from its last byte to its answer. */
  readonly observe?: (outcome: StoreOutcome, seconds: number) => void;
}

/** refused: the object's fault; failed: ours, a retry may cure it. */
export type StoreOutcome = 'accepted' | 'duplicate' | 'refused' | 'failed';

export interface Tally {
  stored: number;
  duplicates: number;
  refused: number;
  bytes: number;
  /** Studies of which this association stored a new object. */
  readonly studies: Set<string>;
}

interface Answer {
  readonly context: number;
  readonly command: Buffer;
}

export interface Operations {
  /**
   * Takes the next data value; the answer when it completes an operation. `violation`: the peer broke the protocol, the
   * association must be aborted. Waits while storage is behind.
   */
  take(value: DataValue): Promise<Answer | 'violation' | undefined>;
  /** True from the first fragment of a command to its answer. */
  busy(): boolean;
  /** The association is over: a half received object is given up, and nothing of it stays. Resolves when that is so. */
  abandon(): Promise<void>;
  readonly tally: Tally;
}

interface Outcome {
  readonly status: number;
  readonly comment?: string;
  /** Only of a C-STORE. */
  readonly store?: StoreOutcome;
}

/** A command whose data set is coming in. */
interface Incoming {
  readonly context: number;
  readonly command: Command;
  readonly channel: Channel;
  readonly outcome: Promise<Outcome>;
  size: number;
}

/** Statuses of refusals that `core/errors` has no code for (PS3.4 B.2.3). */
const REFUSED_STATUS: Readonly<Record<RefusedInstance['refused'], number>> = {
  'does-not-match': STATUS.dataSetDoesNotMatch,
  'cannot-understand': STATUS.cannotUnderstand,
};

/** At most 64 characters (LO); our own fixed texts, never a value. */
const commentOf = (text: string, expression?: string): string =>
  (expression === undefined ? text : `${expression} ${text}`).slice(0, 64);

export function createOperations(
  deps: OperationsDeps,
  contexts: ReadonlyMap<number, AcceptedContext>,
  maxObjectBytes: number,
): Operations {
  const tally: Tally = { stored: 0, duplicates: 0, refused: 0, bytes: 0, studies: new Set() };
  let commandParts: Buffer[] = [];
  let commandSize = 0;
  let commandContext: number | undefined;
  let incoming: Incoming | undefined;
  let answering = false;

  const answer = (context: number, command: Command, outcome: Outcome): Answer => {
    const { messageId, affectedSopClassUid, affectedSopInstanceUid } = command;
    return {
      context,
      command: encodeCommand({
        commandField: command.commandField | RESPONSE_BIT,
        hasDataSet: false,
        status: outcome.status,
        ...(messageId === undefined ? {} : { messageIdRespondedTo: messageId }),
        ...(affectedSopClassUid === undefined ? {} : { affectedSopClassUid }),
        ...(affectedSopInstanceUid === undefined ? {} : { affectedSopInstanceUid }),
        ...(outcome.comment === undefined ? {} : { errorComment: outcome.comment }),
      }),
    };
  };

  const store = async (command: Command, context: AcceptedContext, channel: Channel): Promise<Outcome> => {
    const { affectedSopClassUid: sopClassUid, affectedSopInstanceUid: sopInstanceUid } = command;
    if (context.abstractSyntax === VERIFICATION_UID || sopClassUid !== context.abstractSyntax) {
      return {
        status: STATUS.sopClassNotSupported,
        comment: commentOf('not the SOP class of this presentation context'),
      };
    }
    if (sopInstanceUid === undefined || !isUid(sopInstanceUid)) {
      return {
        status: STATUS.cannotUnderstand,
        store: 'refused',
        comment: commentOf('the SOP Instance UID is missing or not a UID', '(0000,1000)'),
      };
    }
    try {
      const result = await deps.storeInstance({
        sopClassUid,
        sopInstanceUid,
        transferSyntaxUid: context.transferSyntax,
        dataSet: channel.pieces,
      });
      if ('refused' in result)
        return {
          status: REFUSED_STATUS[result.refused],
          store: 'refused',
          comment: commentOf(result.text, result.expression),
        };
      if (result.replayed) tally.duplicates += 1;
      else {
        tally.stored += 1;
        tally.studies.add(result.studyInstanceUid);
      }
      tally.bytes += result.size;
      return { status: STATUS.success, store: result.replayed ? 'duplicate' : 'accepted' };
    } catch (thrown) {
      const error = asGatewayError(thrown);
      if (error.code === 'internal')
        deps.log.error({ event: 'dimse.store-failed', code: error.code, ...describeError(error) });
      return {
        status: error.form.dimse,
        store: error.form.http >= 500 ? 'failed' : 'refused',
        comment: commentOf(error.message, error.expression),
      };
    }
  };

  /** Begins an operation. One without a data set is answered at once. */
  const begin = (context: number, command: Command): Answer | 'violation' | undefined => {
    const accepted = contexts.get(context);
    if (accepted === undefined || (command.commandField & RESPONSE_BIT) !== 0) return 'violation';
    // Nothing runs that could be cancelled.
    if (command.commandField === COMMAND['C-CANCEL-RQ']) return command.hasDataSet ? 'violation' : undefined;
    const unknown: Outcome = { status: STATUS.unrecognizedOperation };
    const isStore = command.commandField === COMMAND['C-STORE-RQ'];
    const isEcho = command.commandField === COMMAND['C-ECHO-RQ'];
    if (!command.hasDataSet)
      return isStore ? 'violation' : answer(context, command, isEcho ? { status: STATUS.success } : unknown);
    const channel = createChannel();
    const outcome = isStore ? store(command, accepted, channel) : Promise.resolve(unknown);
    // An operation that ends without reading leaves nobody to take the pieces: they are dropped from then on.
    const drained = outcome.finally(() =>
      channel.fail(new GatewayError('internal', 'the data set is no longer wanted')),
    );
    incoming = { context, command, channel, outcome: drained, size: 0 };
    return undefined;
  };

  const takeCommand = (value: DataValue): Answer | 'violation' | undefined => {
    if (incoming !== undefined || (commandContext !== undefined && commandContext !== value.context))
      return 'violation';
    commandContext = value.context;
    commandSize += value.data.length;
    if (commandSize > DICOM_MAX_COMMAND_BYTES) return 'violation';
    commandParts.push(Buffer.from(value.data));
    if (!value.last) return undefined;
    const command = decodeCommand(Buffer.concat(commandParts));
    commandParts = [];
    commandSize = 0;
    commandContext = undefined;
    return command === undefined ? 'violation' : begin(value.context, command);
  };

  return {
    tally,
    busy: () => answering || incoming !== undefined || commandContext !== undefined,
    async take(value) {
      if (value.command) return takeCommand(value);
      const running = incoming;
      if (running === undefined || running.context !== value.context) return 'violation';
      running.size += value.data.length;
      if (running.size > maxObjectBytes) return 'violation';
      await running.channel.push(value.data);
      if (!value.last) return undefined;
      answering = true;
      incoming = undefined;
      try {
        const endedAt = performance.now();
        running.channel.end();
        const outcome = await running.outcome;
        if (outcome.store !== undefined) deps.observe?.(outcome.store, (performance.now() - endedAt) / 1000);
        if (outcome.status !== STATUS.success) tally.refused += 1;
        return answer(running.context, running.command, outcome);
      } finally {
        answering = false;
      }
    },
    async abandon() {
      const running = incoming;
      incoming = undefined;
      running?.channel.fail(new GatewayError('unavailable', 'the association ended before the object was complete'));
      await running?.outcome.catch(() => {});
    },
  };
}
