/** Time as an argument: code that needs the time takes a Clock, so that tests and replays decide what "now" is. */
export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };
