/**
 * Yielding: long work on one message is cut into pieces, and between two pieces the event loop serves everybody else.
 */

/** Resolves after the event loop has looked at its sockets and timers once. Costs some 2 us when nothing else is waiting. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** How long a piece of work may hold the event loop, milliseconds. */
const SLICE_MS = 8;

/**
 * Paces a loop: asked after each piece, it gives a promise to wait for when the slice is used up, and undefined (for which
 * nobody needs to wait) before. Work that fits into one slice never waits.
 */
export function pace(): () => Promise<void> | undefined {
  let since = performance.now();
  return () => {
    if (performance.now() - since < SLICE_MS) return undefined;
    return nextTurn().then(() => {
      since = performance.now();
    });
  };
}
