/**
 * Which number a tag of a lockbox is (DESIGN section 4), while the log is read in its order. Writers reserve numbers in blocks: any
 * number of processes and threads use theirs at their own pace, what a process had reserved when it died is never used, and messages
 * that are prepared at once are anchored in any order. So a number may lie far from the one before: behind it, where a writer that
 * seldom writes goes on, or ahead of it, where many writers have just begun.
 */

/** Distance up to which numbers are looked at everywhere before what is unlikely is looked at. */
const NEAR = 64;
/** Ranges that are looked at first: those of the writers that were met last. */
const LANES = 16;
/** Distance ahead at which a writer begins its next block, where a few of them write at once. */
const BLOCKS = 4_096;
/** Distance from the next number beyond which a tag is taken for one of another lockbox: some seconds of searching. */
const FAR = 1_048_576;

/** Numbers from `from` to below `to` that no tag was met of. */
interface Hole {
  readonly from: number;
  readonly to: number;
}

export class TagNumbers {
  #next: number;
  /** Those of the writers that were met last first. */
  #holes: readonly Hole[];

  /** `next`: above all numbers that were met; which below it were is not known. */
  constructor(next: number) {
    this.#next = next;
    this.#holes = next === 0 ? [] : [{ from: 0, to: next }];
  }

  /** The first number above all that were met. */
  get next(): number {
    return this.#next;
  }

  /** Finds the number whose tag it is and counts it as met; undefined when there is none up to a million away. */
  find(tag: string, tagOf: (n: number) => string): number | undefined {
    const isIt = (n: number): boolean => tagOf(n) === tag;
    const found = this.#nearby(isIt) ?? this.#ahead(isIt) ?? this.#inHoles(isIt) ?? this.#farAway(isIt);
    if (found !== undefined) this.#meet(found);
    return found;
  }

  #nearby(isIt: (n: number) => boolean): number | undefined {
    const lanes = this.#holes.slice(0, LANES);
    for (let distance = 0; distance < NEAR; distance += 1) {
      if (isIt(this.#next + distance)) return this.#next + distance;
      for (const { from, to } of lanes) {
        if (from + distance >= to) continue;
        if (isIt(from + distance)) return from + distance;
        if (isIt(to - 1 - distance)) return to - 1 - distance;
      }
    }
    return undefined;
  }

  /** Looked at before all holes: those of writers that died are never filled, and grow in number with the years. */
  #ahead(isIt: (n: number) => boolean): number | undefined {
    for (let distance = NEAR; distance < BLOCKS; distance += 1) {
      if (isIt(this.#next + distance)) return this.#next + distance;
    }
    return undefined;
  }

  #inHoles(isIt: (n: number) => boolean): number | undefined {
    for (const { from, to } of this.#holes) {
      for (let n = to - 1; n >= from; n -= 1) if (isIt(n)) return n;
    }
    return undefined;
  }

  /** Ahead; or one that was met before: a database that crashed could forget a reservation, so that numbers were drawn twice. */
  #farAway(isIt: (n: number) => boolean): number | undefined {
    for (let distance = 1; distance <= FAR; distance += 1) {
      for (const n of [this.#next - distance, this.#next + distance]) if (n >= 0 && isIt(n)) return n;
    }
    return undefined;
  }

  #meet(n: number): void {
    if (n >= this.#next) {
      if (n > this.#next) this.#holes = [{ from: this.#next, to: n }, ...this.#holes];
      this.#next = n + 1;
      return;
    }
    const hole = this.#holes.find(({ from, to }) => n >= from && n < to);
    if (hole === undefined) return;
    // Its writer goes on behind it.
    const left = [
      { from: n + 1, to: hole.to },
      { from: hole.from, to: n },
    ].filter(({ from, to }) => from < to);
    this.#holes = [...left, ...this.#holes.filter((other) => other !== hole)];
  }
}
