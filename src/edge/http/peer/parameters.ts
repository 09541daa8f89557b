/** Parameters of requests between gateways: counts in the query, digests in the path, byte ranges. Strict: all else is 400. */
import type { Request } from 'express';
import { GatewayError } from '../../../core/errors.ts';
import type { DataRange } from '../../../services/peer-services.ts';

/** A decimal number of the query, or the default where it may be left out. Throws `invalid-syntax`. */
export function countParameter(request: Request, name: string, absent?: number): number {
  const text = new URL(request.url, 'http://localhost').searchParams.get(name);
  if (text === null && absent !== undefined) return absent;
  if (text === null || !/^(0|[1-9]\d{0,15})$/.test(text) || !Number.isSafeInteger(Number(text))) {
    throw new GatewayError('invalid-syntax', `${name} is a decimal number from 0`);
  }
  return Number(text);
}

/** `from`, `to` and `block` of a request for log data; `to` may be left out: to the end. */
export function dataRange(request: Request): DataRange {
  const range = {
    from: countParameter(request, 'from'),
    to: countParameter(request, 'to', Number.MAX_SAFE_INTEGER),
    block: countParameter(request, 'block'),
  };
  if (range.to < range.from) throw new GatewayError('invalid-syntax', 'to is below from');
  return range;
}

/** The digest in the path: 64 lower-case hexadecimal digits. */
export function blobDigest(request: Request): Buffer {
  const text = String(request.params.digest);
  if (!/^[0-9a-f]{64}$/.test(text))
    throw new GatewayError('invalid-syntax', 'a blob is named by its SHA-256, in hexadecimal');
  return Buffer.from(text, 'hex');
}

/** The one range that is asked for, clipped to the size; undefined for the whole, and for several ranges (RFC 9110 14.2). */
export function rangeOf(request: Request, size: number): { from: number; to: number } | undefined {
  const match = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(request.headers.range ?? '');
  if (match === null) return undefined;
  const from = Number(match[1]);
  const to = match[2] === '' ? size : Math.min(size, Number(match[2]) + 1);
  if (from >= size || to <= from) throw new GatewayError('invalid-syntax', 'the range is outside of the blob');
  return { from, to };
}
