/**
 * MLLP sender: one message at a time on one connection, every wait with a deadline. For `anamnesis send`, the demo, the
 * bench and tests.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { GatewayError } from '../core/errors.ts';
import { HL7_MAX_MESSAGE_BYTES, MLLP_FRAME_END_MS } from '../core/limits.ts';
import { ackHeader, expectedAnswers, parseAck } from '../formats/hl7v2/ack.ts';
import { encodeFrame, MllpDecoder, type FrameEvent } from '../formats/hl7v2/mllp-frame.ts';

export interface MllpPeer {
  readonly host: string;
  readonly port: number;
  readonly tls?: ConnectionOptions;
  /** Longest wait for the connection and for each answer, milliseconds. */
  readonly timeoutMs: number;
}

export interface MllpClient {
  /**
   * Sends a message (or a batch) in one frame and resolves with the bytes of the answer; of an accept and an application
   * acknowledgement with the latter. Calls wait for each other. Throws `timeout` without an answer in time, `unavailable` when the connection is or goes away: the message may then have been
   * taken, and may be sent again.
   */
  send(message: Buffer): Promise<Buffer>;
  /** Sends a message that asks for no answer (`expectedAnswers`): resolves when it is handed over. Throws `unavailable`. */
  post(message: Buffer): Promise<void>;
  /** Ends the connection. Idempotent. */
  close(): void;
}

interface Waiting {
  /** What was sent: an answer to an earlier message is not its answer. */
  readonly controlId: string;
  /** Another answer follows a positive one. */
  more: boolean;
  readonly resolve: (answer: Buffer) => void;
  readonly reject: (error: GatewayError) => void;
}

/** Connects. Throws `unavailable` or `timeout`. */
export async function connectMllp(peer: MllpPeer): Promise<MllpClient> {
  const socket = await open(peer);
  const decoder = new MllpDecoder(HL7_MAX_MESSAGE_BYTES);
  let waiting: Waiting | undefined;
  let before = '';
  let last: Promise<unknown> = Promise.resolve();

  const fail = (error: GatewayError): void => {
    waiting?.reject(error);
    waiting = undefined;
    socket.destroy();
  };
  const take = (events: readonly FrameEvent[]): void => {
    for (const event of events) {
      if (event.kind !== 'frame') continue;
      if (waiting === undefined) continue;
      const ack = parseAck(event.bytes);
      if (ack !== undefined && ack.controlId === before && before !== waiting.controlId) continue;
      if (waiting.more && ack?.code === 'CA') {
        waiting.more = false;
        continue;
      }
      waiting.resolve(event.bytes);
      waiting = undefined;
    }
  };
  let settling: NodeJS.Timeout | undefined;
  socket.on('data', (chunk: Buffer) => {
    take(decoder.push(chunk));
    clearTimeout(settling);
    if (decoder.isEnding) settling = setTimeout(() => take(decoder.settle()), MLLP_FRAME_END_MS);
  });
  socket.on('error', (cause) => fail(new GatewayError('unavailable', 'the MLLP connection broke', { cause })));
  socket.on('close', () => {
    clearTimeout(settling);
    take(decoder.end());
    fail(new GatewayError('unavailable', 'the peer closed the MLLP connection before its answer'));
  });

  const exchange = async (message: Buffer): Promise<Buffer> => {
    const frame = encodeFrame(message);
    if (socket.destroyed) throw new GatewayError('unavailable', 'the MLLP connection is closed');
    const { controlId } = ackHeader(message);
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<Buffer>((resolve, reject) => {
        waiting = { controlId, more: expectedAnswers(message) > 1, resolve, reject };
        timer = setTimeout(() => fail(new GatewayError('timeout', 'the peer did not answer in time')), peer.timeoutMs);
        socket.write(frame);
      });
    } finally {
      clearTimeout(timer);
      before = controlId;
    }
  };

  return {
    send(message) {
      const answer = last.then(
        () => exchange(message),
        () => exchange(message),
      );
      last = answer;
      return answer;
    },
    async post(message) {
      await last.catch(() => {});
      if (socket.destroyed) throw new GatewayError('unavailable', 'the MLLP connection is closed');
      await new Promise<void>((resolve) => socket.write(encodeFrame(message), () => resolve()));
    },
    close: () => socket.end(() => socket.destroy()),
  };
}

async function open(peer: MllpPeer): Promise<Socket> {
  const { host, port, tls, timeoutMs } = peer;
  const socket = tls === undefined ? connectTcp({ host, port }) : connectTls({ ...tls, host, port });
  socket.setNoDelay(true);
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new GatewayError('timeout', 'the MLLP connection was not made in time'));
    }, timeoutMs);
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
      clearTimeout(timer);
      resolve();
    });
    socket.once('error', (cause) => {
      clearTimeout(timer);
      reject(new GatewayError('unavailable', 'the MLLP peer cannot be reached', { cause }));
    });
  });
  return socket;
}
