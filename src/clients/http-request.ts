/**
 * One HTTP request with a deadline, a bounded answer and, unlike `fetch`, an authority of the caller's choice: for commands
 * that talk to a gateway whose certificate only its own configuration knows.
 */
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import { GatewayError } from '../core/errors.ts';

export interface OutgoingRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** For https: what to trust instead of the system's authorities, and what to show. */
  readonly tls?: ConnectionOptions;
  /** Milliseconds for the whole exchange. */
  readonly timeoutMs: number;
  /** Bytes of the answer's body at most. */
  readonly maxBytes: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** Throws `unavailable` when there is no answer, `timeout`, `too-large`; any status is an answer. */
export function httpRequest(url: string, outgoing: OutgoingRequest): Promise<HttpAnswer> {
  const { method, headers, body, tls, timeoutMs, maxBytes } = outgoing;
  const send = url.startsWith('https:') ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const options = { method, headers: { ...headers, 'content-length': Buffer.byteLength(body ?? '') }, signal };
    const request = send(url, { ...options, ...tls }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > maxBytes) request.destroy(new GatewayError('too-large', 'the answer is larger than expected'));
        else chunks.push(chunk);
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
      );
      response.on('error', (cause) => reject(noAnswer(cause, signal)));
    });
    request.on('error', (cause) => reject(noAnswer(cause, signal)));
    request.end(body);
  });
}

function noAnswer(cause: Error, signal: AbortSignal): GatewayError {
  if (cause instanceof GatewayError) return cause;
  if (signal.aborted) return new GatewayError('timeout', 'no answer in time', { cause });
  const code = 'code' in cause ? ` (${String(cause.code)})` : '';
  return new GatewayError('unavailable', `no answer${code}`, { cause });
}
