/** A progress bar on standard error, drawn in place; silent where that is no terminal. */

export interface Progress {
  /** `done` of the total, and a few words. */
  update(done: number, words: string): void;
  /** Takes the bar away. */
  end(): void;
}

/** Width of the bar, characters. */
const WIDTH = 30;
/** Redraws a second at most: a terminal is slower than the work. */
const REDRAWS = 20;

export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** `total` is the count of things to do; `now` in milliseconds. */
export function progressBar(terminal: Terminal, total: number, now: () => number): Progress {
  if (terminal.isTTY !== true) return { update: () => {}, end: () => {} };
  let drawnAt = -Infinity;
  return {
    update: (done, words) => {
      if (done < total && now() - drawnAt < 1000 / REDRAWS) return;
      drawnAt = now();
      const share = total === 0 ? 1 : done / total;
      const filled = Math.round(share * WIDTH);
      const line = `[${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}] ${done}/${total} ${words}`;
      terminal.write(`\r\u001b[K${line.slice(0, (terminal.columns ?? 80) - 1)}`);
    },
    end: () => void terminal.write('\r\u001b[K'),
  };
}
