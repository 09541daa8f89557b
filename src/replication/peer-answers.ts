/** Reading what peers answer: JSON of theirs, and what a status of refusal means for this gateway. Nothing of it is passed on. */
import { GatewayError } from '../core/errors.ts';
import type { PeerResponse } from './peer-ports.ts';

/** The JSON object of a peer's answer; undefined for anything else. */
export function parseJson(body: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString());
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** True for a JSON object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** True for a whole number from 0 that JavaScript holds exactly. */
export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** A peer's refusal as an error that says what can be done. The peer's words are not passed on. */
export function refusal({ status }: PeerResponse): GatewayError {
  if (status === 403)
    return new GatewayError(
      'forbidden',
      'a peer does not take this log: frozen, suspended, or a key it does not trust',
    );
  if (status === 401)
    return new GatewayError('unauthenticated', 'a peer does not accept our token: clocks, or its policy file');
  if (status === 404)
    return new GatewayError('not-found', 'a peer does not know this log: its policy file has no line for it');
  if (status === 507) return new GatewayError('storage-full', 'a peer has no room for this log');
  if (status === 422) return new GatewayError('integrity', 'a peer finds that this log is not what it was');
  return new GatewayError('unavailable', `a peer answered with status ${status}`);
}

/** Answers in a row that may ask for the same or less again: another upload, or a mirror that was restored. */
const STALLS = 3;

/**
 * A watch over an upload that a peer steers: call it with where the upload was and where the peer wants it now. Throws
 * `unavailable` with `message` when the peer leads it in circles.
 */
export function patience(message: string): (before: number, now: number) => void {
  let stalls = 0;
  return (before, now) => {
    if (now <= before && (stalls += 1) > STALLS) throw new GatewayError('unavailable', message);
  };
}
