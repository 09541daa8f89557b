/**
 * HTTP to other gateways (port: replication/peer-ports): connections kept alive, a deadline on every wait, bodies streamed
 * both ways with backpressure. Certificates are checked against the system's authorities, or against the configured ones.
 */
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { GatewayError } from '../core/errors.ts';
import type { OpenResponse, PeerHttp, PeerRequest } from '../replication/peer-ports.ts';

export interface PeerHttpOptions {
  /** PEM of the authorities that sign peers' certificates; absent: the system's. */
  readonly ca?: Buffer;
  /** PEM of our own client certificate, where peers want one. */
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

export interface ClosablePeerHttp extends PeerHttp {
  /** Cuts idle connections. */
  close(): void;
}

/** Connections to one peer at one time. */
const SOCKETS = 8;

export function peerHttp(options: PeerHttpOptions = {}): ClosablePeerHttp {
  const plain = new HttpAgent({ keepAlive: true, maxSockets: SOCKETS });
  const secure = new HttpsAgent({ keepAlive: true, maxSockets: SOCKETS, ...options });

  const start = ({ method, url, headers }: PeerRequest): ClientRequest =>
    url.startsWith('https:')
      ? httpsRequest(url, { method, headers, agent: secure })
      : httpRequest(url, { method, headers, agent: plain });

  const open = async (request: PeerRequest): Promise<{ response: IncomingMessage; sent: ClientRequest }> => {
    const sent = start(request);
    const deadline = setTimeout(() => sent.destroy(late()), request.deadlineMs);
    try {
      return await new Promise((resolve, reject) => {
        sent.once('error', reject);
        sent.once('response', (response) => resolve({ response, sent }));
        void write(sent, request.body).catch((error: unknown) => {
          sent.destroy(error instanceof Error ? error : late());
        });
      });
    } catch (thrown) {
      throw asPeerError(thrown);
    } finally {
      clearTimeout(deadline);
    }
  };

  return {
    async send(request) {
      const startedAt = performance.now();
      const { response, sent } = await open(request);
      const left = Math.max(1, request.deadlineMs - (performance.now() - startedAt));
      const deadline = setTimeout(() => response.destroy(late()), left);
      try {
        const pieces: Buffer[] = [];
        for await (const piece of bounded(response, request)) pieces.push(piece);
        return { status: response.statusCode ?? 0, body: Buffer.concat(pieces) };
      } catch (thrown) {
        throw asPeerError(thrown);
      } finally {
        clearTimeout(deadline);
        // An answer that came before the body was read: the rest is not wanted.
        if (!sent.writableFinished) sent.destroy();
      }
    },
    async open(request): Promise<OpenResponse> {
      const { response } = await open(request);
      response.setTimeout(request.deadlineMs, () => response.destroy(late()));
      return { status: response.statusCode ?? 0, body: translated(bounded(response, request)) };
    },
    close() {
      plain.destroy();
      secure.destroy();
    },
  };
}

async function write(sent: ClientRequest, body: PeerRequest['body']): Promise<void> {
  if (body === undefined || typeof body === 'string' || Buffer.isBuffer(body)) {
    sent.end(body);
    return;
  }
  for await (const piece of body) {
    if (sent.destroyed) return;
    if (!sent.write(piece)) await drained(sent);
  }
  sent.end();
}

function drained(sent: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      sent.off('drain', go).off('close', go);
      resolve();
    };
    sent.once('drain', go).once('close', go);
  });
}

/** Bytes that a peer has to give for each deadline that it is waited for: one that trickles would hold its place for ever. */
const TRICKLE_BYTES = 64 * 1024;

async function* bounded(
  response: IncomingMessage,
  { maxBytes, deadlineMs }: Pick<PeerRequest, 'maxBytes' | 'deadlineMs'>,
): AsyncGenerator<Buffer> {
  let size = 0;
  /** Milliseconds of waiting, which is none while what came is taken, and bytes in them. */
  let waited = 0;
  let came = 0;
  let asked = performance.now();
  for await (const piece of decoded(response)) {
    if (!Buffer.isBuffer(piece)) continue;
    waited += performance.now() - asked;
    size += piece.length;
    came += piece.length;
    if (size > maxBytes) {
      response.destroy();
      throw new GatewayError('too-large', 'the answer of a peer is larger than it may be');
    }
    if (came >= TRICKLE_BYTES) waited = came = 0;
    else if (waited > deadlineMs) {
      response.destroy();
      throw late();
    }
    yield piece;
    asked = performance.now();
  }
  if (!response.complete) throw new GatewayError('unavailable', 'the answer of a peer ended too early');
}

/** The body as it was before it was packed; what is bounded is that. */
function decoded(response: IncomingMessage): AsyncIterable<unknown> {
  if (response.headers['content-encoding'] !== 'gzip') return response;
  return pipeline(response, createGunzip(), () => {});
}

async function* translated(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* body;
  } catch (thrown) {
    throw asPeerError(thrown);
  }
}

function late(): GatewayError {
  return new GatewayError('timeout', 'a peer did not answer in time');
}

function asPeerError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  return new GatewayError('unavailable', 'a peer cannot be reached', { cause: thrown });
}
