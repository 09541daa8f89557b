/** Taking the parts of a gateway down again. */
import { describeError, type Log } from '../core/log.ts';
/** Takes the parts down in the reverse order of their start; every step runs even when one before it failed. */
export class Teardown {
  readonly #steps: { readonly name: string; readonly run: () => Promise<void> }[] = [];
  #closing: Promise<void> | undefined;
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  add(name: string, run: () => Promise<void>): void {
    this.#steps.push({ name, run });
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#run());
  }

  async #run(): Promise<void> {
    for (const { name, run } of this.#steps.toReversed()) {
      await run().catch((error: unknown) => {
        this.#log.error({ event: 'stop-failed', kind: name, ...describeError(error) });
      });
    }
  }
}
