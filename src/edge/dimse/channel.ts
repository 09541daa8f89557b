/**
 * A bounded queue between the socket and whoever consumes a data set: the writer waits while the reader is behind, so that
 * memory stays flat and TCP slows the sender down.
 */

/** Bytes queued before a writer waits. */
const HIGH_WATER_BYTES = 262_144;

export interface Channel {
  /** For one reader. When it stops early, later pushes are dropped. */
  readonly pieces: AsyncIterable<Buffer>;
  /** Resolves when there is room for more. Never rejects. */
  push(piece: Buffer): Promise<void>;
  end(): void;
  /** Ends with an error: the reader's next step throws it. */
  fail(error: Error): void;
}

export function createChannel(): Channel {
  const queue: Buffer[] = [];
  let queued = 0;
  let ended = false;
  let failure: Error | undefined;
  let abandoned = false;
  let wakeReader = (): void => {};
  let wakeWriter = (): void => {};

  async function* read(): AsyncGenerator<Buffer, void, undefined> {
    try {
      for (;;) {
        if (failure !== undefined) throw failure;
        const piece = queue.shift();
        if (piece !== undefined) {
          queued -= piece.length;
          if (queued < HIGH_WATER_BYTES) wakeWriter();
          yield piece;
        } else if (ended) return;
        else await new Promise<void>((resolve) => (wakeReader = resolve));
      }
    } finally {
      abandoned = true;
      queue.length = 0;
      wakeWriter();
    }
  }

  return {
    pieces: { [Symbol.asyncIterator]: read },
    async push(piece) {
      if (abandoned || ended || piece.length === 0) return;
      queue.push(piece);
      queued += piece.length;
      wakeReader();
      if (queued >= HIGH_WATER_BYTES) await new Promise<void>((resolve) => (wakeWriter = resolve));
    },
    end() {
      ended = true;
      wakeReader();
    },
    fail(error) {
      failure ??= error;
      ended = true;
      wakeReader();
      wakeWriter();
    },
  };
}
