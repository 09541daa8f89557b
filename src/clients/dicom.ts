/**
 * C-STORE and C-ECHO service class user (PS3.4 annexes A and B): one association, one operation at a time, every wait with
 * a deadline. For `anamnesis send`, the demo and tests.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { GatewayError } from '../core/errors.ts';
import { DICOM_MAX_ASSOCIATE_BYTES, DICOM_MAX_COMMAND_BYTES, DICOM_MAX_PDU_BYTES } from '../core/limits.ts';
import { COMMAND, decodeCommand, encodeCommand, RESPONSE_BIT, type Command } from '../formats/dicom/command.ts';
import { fragmentBytes, fragmentsOf, type FragmentTarget } from '../formats/dicom/fragments.ts';
import {
  ABORT_REASON,
  CONTEXT_RESULT,
  encodePdu,
  type AssociateRq,
  type Pdu,
  type PduFault,
} from '../formats/dicom/pdu.ts';
import { createPduDecoder } from '../formats/dicom/pdu-decoder.ts';
import {
  APPLICATION_CONTEXT_UID,
  IMPLEMENTATION_CLASS_UID,
  IMPLEMENTATION_VERSION_NAME,
  IMPLICIT_VR_LITTLE_ENDIAN,
  VERIFICATION_UID,
} from '../formats/dicom/uid.ts';

export interface DicomPeer {
  readonly host: string;
  readonly port: number;
  readonly tls?: ConnectionOptions;
  /** At most 16 characters each. */
  readonly calledAe: string;
  readonly callingAe: string;
  /** Longest wait for the peer, milliseconds. */
  readonly timeoutMs: number;
}

/** A SOP class with the one transfer syntax in which objects of it will be sent. */
export interface StorageContext {
  readonly sopClassUid: string;
  readonly transferSyntaxUid: string;
}

/** One object to send; the data set is in its transfer syntax. */
export interface OutgoingInstance extends StorageContext {
  readonly sopInstanceUid: string;
  readonly dataSet: AsyncIterable<Buffer> | Iterable<Buffer>;
}

/** A DIMSE response: 0000 is success, Bxxx warnings, all else failures. */
export interface DimseStatus {
  readonly status: number;
  readonly comment: string | undefined;
}

export interface DicomAssociation {
  /** False where the peer refused the SOP class or transfer syntax: `store` would throw `not-supported`. */
  accepts(context: StorageContext): boolean;
  echo(): Promise<DimseStatus>;
  store(instance: OutgoingInstance): Promise<DimseStatus>;
  /** A-RELEASE, then closes. */
  release(): Promise<void>;
  /** A-ABORT, then closes. */
  abort(): void;
}

/** Storage contexts that fit into one association (128 context ids, one for Verification). */
export const MAX_STORAGE_CONTEXTS = 127;

const WRITE_HIGH_WATER_BYTES = 262_144;

const gone = (cause?: unknown): GatewayError =>
  new GatewayError('unavailable', 'the DICOM peer closed the connection', { cause });
const late = (): GatewayError => new GatewayError('timeout', 'the DICOM peer did not answer in time');
const broken = (): GatewayError => new GatewayError('invalid-syntax', 'the DICOM peer broke the protocol');

/** PDUs of a socket one by one, and writing with backpressure; both with the deadline. */
interface Transport {
  next(): Promise<Pdu>;
  send(pdu: Pdu): Promise<void>;
  destroy(): void;
}

function withDeadline<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(late()), timeoutMs)));
  return Promise.race([work, deadline]).finally(() => clearTimeout(timer));
}

async function openTransport(peer: DicomPeer): Promise<Transport> {
  const socket: Socket =
    peer.tls === undefined
      ? connectTcp({ host: peer.host, port: peer.port })
      : connectTls({ host: peer.host, port: peer.port, ...peer.tls });
  socket.setNoDelay(true);
  const connected = new Promise<void>((resolve, reject) => {
    socket.once(peer.tls === undefined ? 'connect' : 'secureConnect', () => resolve());
    socket.once('error', (cause) =>
      reject(new GatewayError('unavailable', 'the DICOM peer cannot be reached', { cause })),
    );
  });
  try {
    await withDeadline(connected, peer.timeoutMs);
  } catch (thrown) {
    socket.destroy();
    throw thrown;
  }
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));

  async function* received(): AsyncGenerator<Pdu | PduFault, void, undefined> {
    const decoder = createPduDecoder({ dataBytes: DICOM_MAX_PDU_BYTES, associateBytes: DICOM_MAX_ASSOCIATE_BYTES });
    for await (const chunk of socket) yield* decoder.push(chunk as Buffer);
  }
  const pdus = received();
  return {
    async next() {
      const step = await withDeadline(pdus.next(), peer.timeoutMs).catch((thrown: unknown) => {
        throw thrown instanceof GatewayError ? thrown : gone(thrown);
      });
      if (step.done === true) throw gone();
      const pdu = step.value;
      if (pdu.type === 'A-ABORT') {
        socket.destroy();
        throw new GatewayError('unavailable', `the DICOM peer aborted the association (${pdu.source}/${pdu.reason})`);
      }
      if (pdu.type !== 'fault') return pdu;
      socket.end(encodePdu({ type: 'A-ABORT', source: 2, reason: pdu.reason }));
      throw broken();
    },
    async send(pdu) {
      if (!socket.writable) throw gone();
      socket.write(encodePdu(pdu));
      if (socket.writableLength < WRITE_HIGH_WATER_BYTES) return;
      const drained = new Promise<void>((resolve) => socket.once('drain', resolve));
      await withDeadline(Promise.race([drained, closed]), peer.timeoutMs);
      if (!socket.writable) throw gone();
    },
    destroy: () => void socket.destroy(),
  };
}

/**
 * Opens an association for Verification and up to MAX_STORAGE_CONTEXTS storage contexts. Throws `unavailable` (unreachable, or rejected for now),
 * `forbidden` (rejected for good), `timeout`.
 */
export async function openAssociation(peer: DicomPeer, contexts: readonly StorageContext[]): Promise<DicomAssociation> {
  const transport = await openTransport(peer);
  try {
    return await associate(peer, contexts, transport);
  } catch (thrown) {
    transport.destroy();
    throw thrown;
  }
}

async function associate(
  peer: DicomPeer,
  wanted: readonly StorageContext[],
  transport: Transport,
): Promise<DicomAssociation> {
  const proposed = [
    { abstractSyntax: VERIFICATION_UID, transferSyntaxes: [IMPLICIT_VR_LITTLE_ENDIAN] },
    ...wanted.map((context) => ({
      abstractSyntax: context.sopClassUid,
      transferSyntaxes: [context.transferSyntaxUid],
    })),
  ].map((context, i) => ({ id: 2 * i + 1, ...context }));
  if (proposed.length > MAX_STORAGE_CONTEXTS + 1)
    throw new GatewayError('too-large', 'too many kinds of objects for one association');
  const request: AssociateRq = {
    type: 'A-ASSOCIATE-RQ',
    protocolVersion: 1,
    calledAe: peer.calledAe,
    callingAe: peer.callingAe,
    applicationContext: APPLICATION_CONTEXT_UID,
    contexts: proposed,
    userInformation: {
      maxPduBytes: DICOM_MAX_PDU_BYTES,
      implementationClassUid: IMPLEMENTATION_CLASS_UID,
      implementationVersionName: IMPLEMENTATION_VERSION_NAME,
      others: [],
    },
  };
  await transport.send(request);
  const answer = await transport.next();
  if (answer.type === 'A-ASSOCIATE-RJ') {
    const codes = `${answer.result}/${answer.source}/${answer.reason}`;
    throw new GatewayError(
      answer.result === 2 ? 'unavailable' : 'forbidden',
      `the DICOM peer rejected the association (${codes})`,
    );
  }
  if (answer.type !== 'A-ASSOCIATE-AC') throw broken();
  const accepted = new Set(
    answer.contexts.filter((context) => context.result === CONTEXT_RESULT.acceptance).map((context) => context.id),
  );
  const { maxPduBytes } = answer.userInformation;
  let lastMessageId = 0;
  const nextMessageId = (): number => (lastMessageId = (lastMessageId % 0xffff) + 1);

  const contextOf = (context: StorageContext): number | undefined =>
    proposed.find(
      ({ id, abstractSyntax, transferSyntaxes }) =>
        accepted.has(id) && abstractSyntax === context.sopClassUid && transferSyntaxes[0] === context.transferSyntaxUid,
    )?.id;
  const send = async (target: FragmentTarget, bytes: Buffer, last: boolean): Promise<void> => {
    for (const pdu of fragmentsOf(target, bytes, last)) await transport.send(pdu);
  };
  const sendCommand = (context: number, command: Command): Promise<void> =>
    send({ context, command: true, maxPduBytes }, encodeCommand(command), true);

  const response = async (commandField: number, messageId: number): Promise<DimseStatus> => {
    const parts: Buffer[] = [];
    for (let size = 0; ;) {
      const pdu = await transport.next();
      if (pdu.type !== 'P-DATA-TF') throw broken();
      for (const value of pdu.values) {
        size += value.data.length;
        if (!value.command || size > DICOM_MAX_COMMAND_BYTES) throw broken();
        parts.push(value.data);
        if (!value.last) continue;
        const command = decodeCommand(Buffer.concat(parts));
        const { status, messageIdRespondedTo, errorComment } = command ?? {};
        if (
          command?.commandField !== (commandField | RESPONSE_BIT) ||
          messageIdRespondedTo !== messageId ||
          status === undefined
        )
          throw broken();
        return { status, comment: errorComment };
      }
    }
  };

  /** Sends the data set in full fragments, whatever its pieces. */
  const sendDataSet = async (context: number, dataSet: OutgoingInstance['dataSet']): Promise<void> => {
    const target: FragmentTarget = { context, command: false, maxPduBytes };
    const most = fragmentBytes(maxPduBytes);
    let held: Buffer[] = [];
    let size = 0;
    for await (const piece of dataSet) {
      held.push(piece);
      size += piece.length;
      if (size < most) continue;
      const bytes = Buffer.concat(held, size);
      const whole = size - (size % most);
      await send(target, bytes.subarray(0, whole), false);
      held = [bytes.subarray(whole)];
      size -= whole;
    }
    await send(target, Buffer.concat(held, size), true);
  };

  return {
    accepts: (context) => contextOf(context) !== undefined,
    async echo() {
      const messageId = nextMessageId();
      await sendCommand(1, {
        commandField: COMMAND['C-ECHO-RQ'],
        hasDataSet: false,
        messageId,
        affectedSopClassUid: VERIFICATION_UID,
      });
      return response(COMMAND['C-ECHO-RQ'], messageId);
    },
    async store(instance) {
      const context = contextOf(instance);
      if (context === undefined)
        throw new GatewayError('not-supported', 'the DICOM peer does not take this SOP class in this transfer syntax');
      const messageId = nextMessageId();
      await sendCommand(context, {
        commandField: COMMAND['C-STORE-RQ'],
        hasDataSet: true,
        messageId,
        priority: 0,
        affectedSopClassUid: instance.sopClassUid,
        affectedSopInstanceUid: instance.sopInstanceUid,
      });
      await sendDataSet(context, instance.dataSet);
      return response(COMMAND['C-STORE-RQ'], messageId);
    },
    async release() {
      try {
        await transport.send({ type: 'A-RELEASE-RQ' });
        const pdu = await transport.next();
        if (pdu.type !== 'A-RELEASE-RP') throw broken();
      } finally {
        transport.destroy();
      }
    },
    abort() {
      void transport
        .send({ type: 'A-ABORT', source: 0, reason: ABORT_REASON.notSpecified })
        .catch(() => {})
        .finally(() => transport.destroy());
    },
  };
}
