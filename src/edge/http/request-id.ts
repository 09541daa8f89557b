/** One id for each request, made here, in the answer's `X-Request-Id`, the audit trail and the log of faults. */
import type { Request, RequestHandler } from 'express';
import { randomUuid, type Random } from '../../core/random.ts';

const ids = new WeakMap<object, string>();

/** Gives every request its id. What a client sends as one is not taken: it would stand in logs. */
export function assignRequestId(random: Random): RequestHandler {
  return (request, response, next) => {
    const id = randomUuid(random);
    ids.set(request, id);
    response.setHeader('X-Request-Id', id);
    next();
  };
}

/** The id that `assignRequestId` gave; empty where it did not run. */
export function requestIdOf(request: Request): string {
  return ids.get(request) ?? '';
}
