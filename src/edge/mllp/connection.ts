/**
 * One MLLP connection: frames in, answers out, one message in flight, in order. While a message is taken the socket is
 * paused, so that a fast sender waits in its own buffers and memory stays bounded. A fault of one message ends neither the
 * connection nor the process.
 */
import type { Socket } from 'node:net';
import { asGatewayError, GatewayError } from '../../core/errors.ts';
import { MLLP_FRAME_END_MS } from '../../core/limits.ts';
import { describeError, type Log } from '../../core/log.ts';
import { encodeFrame, MllpDecoder, type FrameEvent } from '../../formats/hl7v2/mllp-frame.ts';
import type { ClientCertificate } from '../../services/sources.ts';
import { certificateOf } from './client-certificate.ts';
import type { Budget } from './budget.ts';
import type { MllpSettings } from './settings.ts';

export interface MllpDeps {
  /**
   * Takes one frame's bytes; resolves with the answers, each for a frame of its own, when what they say is durable. `client`:
   * the certificate that the peer has shown. Must not throw.
   */
  readonly accept: (bytes: Buffer, client: ClientCertificate | undefined) => Promise<readonly Buffer[]>;
  /** The answers to a frame that was not read; `head` is its beginning. */
  readonly refuse: (head: Buffer, error: GatewayError) => readonly Buffer[];
  readonly log: Log;
  /** Told of each incident. Must not throw. */
  readonly observe?: (incident: MllpIncident) => void;
}

/** What happened on connections besides messages: for counters. */
export type MllpIncident =
  | 'truncated-frame'
  | 'garbage'
  | 'too-large'
  | 'frame-deadline'
  | 'idle'
  | 'buffers-full'
  | 'waits-for-room'
  | 'peer-does-not-read'
  | 'too-many-connections'
  | 'tls-refused';

export interface Connection {
  /** Resolves when the socket is closed and nothing is in flight. Never rejects. */
  readonly done: Promise<void>;
  /** Answers the message in flight, then ends. */
  drain(): void;
  destroy(): void;
}

/** How long a peer may take to close after we have, milliseconds. */
const LINGER_MS = 1_000;

/** Serves a socket until it is closed. */
export function serveConnection(deps: MllpDeps, settings: MllpSettings, socket: Socket, budget: Budget): Connection {
  const client = certificateOf(socket);
  const decoder = new MllpDecoder(settings.maxMessageBytes);
  const queue: FrameEvent[] = [];
  let running = false;
  let ending = false;
  /** Bytes of whole frames that wait or are taken, and what of all was counted. */
  let waiting = 0;
  let counted = 0;
  let frameTimer: NodeJS.Timeout | undefined;
  let endTimer: NodeJS.Timeout | undefined;
  let linger: NodeJS.Timeout | undefined;
  let finish: () => void = () => {};
  const done = new Promise<void>((resolve) => {
    finish = resolve;
  });

  const warn = (reason: MllpIncident): void => {
    deps.observe?.(reason);
    deps.log.warn({ event: 'mllp.connection', listener: 'mllp', reason });
  };

  function account(): void {
    const held = decoder.buffered + waiting;
    budget.add(held - counted);
    counted = held;
  }

  function enqueue(events: readonly FrameEvent[]): void {
    queue.push(...events);
    for (const event of events) if (event.kind === 'frame') waiting += event.bytes.length;
    account();
  }

  /** Reads on, once there is room. */
  function readOn(): void {
    if (running || closed || ending) return;
    if (budget.isFull(counted)) {
      deps.observe?.('waits-for-room');
      socket.pause();
      budget.whenRoom(readOn);
    } else {
      socket.resume();
    }
    watchFrame();
    awaitEnd();
  }

  /** The time of a frame runs only while we read. */
  function watchFrame(): void {
    if (!decoder.inFrame || running) {
      clearTimeout(frameTimer);
      frameTimer = undefined;
    } else {
      frameTimer ??= setTimeout(() => {
        warn('frame-deadline');
        socket.destroy();
      }, settings.frameMs);
    }
  }

  /** A sender that leaves the CR out of its frames waits for the answer: nothing more comes. The time runs only while we read. */
  function awaitEnd(): void {
    clearTimeout(endTimer);
    if (!decoder.isEnding || running) return;
    const settle = (): void => {
      enqueue(decoder.settle());
      if (queue.length > 0) void pump();
    };
    // When the process was held up, more may have come that is not read yet: before a second timer fires, it is.
    endTimer = setTimeout(() => (endTimer = setTimeout(settle, 0)), MLLP_FRAME_END_MS);
  }

  function end(): void {
    ending = true;
    if (running || socket.destroyed) return;
    socket.end();
    linger ??= setTimeout(() => socket.destroy(), LINGER_MS);
  }

  async function write(answers: readonly Buffer[]): Promise<void> {
    if (answers.length === 0 || socket.destroyed) return;
    if (socket.write(Buffer.concat(answers.map(encodeFrame)))) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        warn('peer-does-not-read');
        socket.destroy();
      }, settings.frameMs);
      const go = (): void => {
        clearTimeout(timer);
        socket.off('drain', go);
        socket.off('close', go);
        resolve();
      };
      socket.once('drain', go);
      socket.once('close', go);
    });
  }

  async function take(event: FrameEvent): Promise<void> {
    if (event.kind === 'truncated') {
      warn('truncated-frame');
    } else if (event.kind === 'too-large') {
      warn('too-large');
      const error = new GatewayError('too-large', `a message has at most ${settings.maxMessageBytes} bytes`);
      await write(deps.refuse(event.head, error));
    } else {
      if (event.bytes.length > 0) await write(await answerOf(event.bytes));
      waiting -= event.bytes.length;
      account();
    }
  }

  async function answerOf(bytes: Buffer): Promise<readonly Buffer[]> {
    try {
      return await deps.accept(bytes, client);
    } catch (thrown) {
      deps.log.error({ event: 'mllp.accept-failed', listener: 'mllp', ...describeError(thrown) });
      return deps.refuse(bytes, asGatewayError(thrown));
    }
  }

  async function pump(): Promise<void> {
    if (running) return;
    running = true;
    watchFrame();
    clearTimeout(endTimer);
    socket.pause();
    // A message that has begun is answered even when the peer has gone: what it caused is durable either way.
    try {
      for (let event = queue.shift(); event !== undefined && !stopped(); event = queue.shift()) await take(event);
    } catch (thrown) {
      deps.log.error({ event: 'mllp.connection-failed', listener: 'mllp', ...describeError(thrown) });
      socket.destroy();
    }
    running = false;
    if (closed) release();
    else if (ending) end();
    else readOn();
  }

  /** The connection is over, and nothing is in flight. */
  function release(): void {
    queue.length = 0;
    waiting = 0;
    account();
    finish();
  }

  let closed = false;
  let draining = false;
  const stopped = (): boolean => draining || socket.destroyed;

  socket.on('data', (chunk: Buffer) => {
    enqueue(decoder.push(chunk));
    if (budget.isHopeless(counted)) {
      warn('buffers-full');
      socket.destroy();
    } else if (queue.length > 0) void pump();
    else readOn();
  });
  // The peer has said all it will; it may still read the answers (half-close).
  socket.on('end', () => {
    enqueue(decoder.end());
    ending = true;
    void pump();
  });
  socket.on('error', () => {});
  socket.on('timeout', () => {
    if (running) return;
    warn('idle');
    end();
  });
  socket.on('close', () => {
    closed = true;
    clearTimeout(frameTimer);
    clearTimeout(endTimer);
    clearTimeout(linger);
    budget.forget(readOn);
    // A frame that a lost connection cut off is never taken for a whole one.
    if (decoder.inFrame) warn('truncated-frame');
    decoder.end();
    if (decoder.garbage > 0) warn('garbage');
    account();
    if (!running) release();
  });
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 60_000);
  if (settings.idleMs > 0) socket.setTimeout(settings.idleMs);

  return {
    done,
    drain() {
      draining = true;
      end();
    },
    destroy: () => socket.destroy(),
  };
}
