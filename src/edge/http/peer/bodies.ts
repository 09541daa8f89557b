/**
 * Request bodies of other gateways: as text, or as streams that are unpacked where they are gzip; and streams as answers, with
 * backpressure.
 */
import type { Request, Response } from 'express';
import { isUtf8 } from 'node:buffer';
import { once } from 'node:events';
import { pipeline, Readable } from 'node:stream';
import { createGunzip, createGzip, type Gunzip } from 'node:zlib';
import { GatewayError } from '../../../core/errors.ts';

/** A body that was read whole, as text; empty where there is none or it is not UTF-8, which no note is either. */
export function textOf(request: Request): string {
  const body: unknown = request.body;
  return Buffer.isBuffer(body) && isUtf8(body) ? body.toString() : '';
}

/** The decoded body. Rejects with `invalid-syntax` where the encoding is broken or the sender goes away. */
export async function* bodyOf(request: Request): AsyncGenerator<Buffer, void> {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity' && encoding !== 'gzip') {
    throw new GatewayError('unsupported-media-type', 'Content-Encoding must be identity or gzip');
  }
  const source = encoding === 'gzip' ? unpacked(request) : request;
  try {
    for await (const piece of source) if (Buffer.isBuffer(piece)) yield piece;
  } catch (cause) {
    throw new GatewayError('invalid-syntax', 'the body ended too early or is not in its encoding', { cause });
  }
}

/** `pipe` does not pass on that the sender is gone: without this, the reader of what was packed would wait for ever. */
function unpacked(request: Request): Gunzip {
  const gunzip = createGunzip();
  request.once('error', (cause) => gunzip.destroy(cause));
  return request.pipe(gunzip);
}

/** Sends log data, packed where the reader asks for gzip by name: a restore does not, it would take half its speed. */
export async function sendLogData(
  request: Request,
  response: Response,
  type: string,
  data: AsyncIterable<Buffer>,
): Promise<void> {
  const isPacked = /(?:^|,)\s*gzip\s*(?:,|$)/.test(String(request.headers['accept-encoding'] ?? ''));
  response.set('Content-Type', type).vary('Accept-Encoding');
  if (!isPacked) return sendStream(response, data);
  response.set('Content-Encoding', 'gzip');
  // The iteration of what comes out reports what goes wrong.
  return sendStream(
    response,
    pipeline(Readable.from(data), createGzip({ level: 1 }), () => {}),
  );
}

/** Writes pieces as fast as the reader takes them; ends the answer. When the reader is gone it stops reading. */
export async function sendStream(response: Response, pieces: AsyncIterable<Buffer>): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  try {
    for await (const piece of pieces) {
      if (gone.signal.aborted) return;
      if (!response.write(piece)) await once(response, 'drain', { signal: gone.signal });
    }
    response.end();
  } catch (thrown) {
    // The head is out: cutting the connection is the only way to say that this is not all.
    response.destroy();
    if (!gone.signal.aborted) throw thrown;
  }
}
