/**
 * Levels as callers see them: how far each reaches now, since when what is not covered waits, and waiting until a leaf has
 * reached one. A process that does not replicate itself learns the sizes from the store.
 */
import type { Clock } from '../core/clock.ts';
import type { Level, LevelSizes } from './own-log.ts';

export interface Levels {
  readonly sizes: LevelSizes;
  /** The highest level that a leaf has reached. */
  of(leaf: number): Level;
  /** Seconds for which leaves that are not yet at the level have waited; 0 when there are none. */
  ageSeconds(level: Level): number;
  /** Enters new sizes; none of them ever goes back. */
  update(sizes: Partial<LevelSizes>): void;
  /** Resolves with the level reached: when the leaf has reached `level`, or after `ms`. */
  wait(leaf: number, level: Level, ms: number): Promise<Level>;
}

const ORDER: readonly Level[] = ['durable', 'mirrored', 'witnessed'];

/** True when `reached` is at least `wanted`. */
export function reaches(reached: Level, wanted: Level): boolean {
  return ORDER.indexOf(reached) >= ORDER.indexOf(wanted);
}

/** The highest level that a leaf has reached where the levels have these sizes. */
export function levelAt(sizes: LevelSizes, leaf: number): Level {
  return leaf < sizes.witnessed ? 'witnessed' : leaf < sizes.mirrored ? 'mirrored' : 'durable';
}

interface Waiter {
  readonly leaf: number;
  readonly level: Level;
  readonly done: () => void;
}

/** `possible`: what the policy of the moment can bring about; nobody waits for anything else. */
export function createLevels(clock: Clock, possible: () => ReadonlySet<Level>): Levels {
  let sizes: LevelSizes = { durable: 0, mirrored: 0, witnessed: 0 };
  /** When the head grew, oldest first, for ages: [size, time]; those that every level covers are dropped. */
  let growth: { readonly size: number; readonly at: number }[] = [];
  const waiters = new Set<Waiter>();
  const of = (leaf: number): Level => levelAt(sizes, leaf);
  return {
    get sizes() {
      return sizes;
    },
    of,
    ageSeconds(level) {
      // Where the policy asks nobody, nothing waits.
      if (!possible().has(level)) return 0;
      const oldest = growth.find(({ size }) => size > sizes[level]);
      return oldest === undefined ? 0 : Math.max(0, clock.now() - oldest.at) / 1000;
    },
    update(changed) {
      const before = sizes;
      sizes = {
        durable: Math.max(before.durable, changed.durable ?? 0),
        mirrored: Math.max(before.mirrored, changed.mirrored ?? 0),
        witnessed: Math.max(before.witnessed, changed.witnessed ?? 0),
      };
      if (sizes.durable > before.durable) growth.push({ size: sizes.durable, at: clock.now() });
      const covered = Math.min(sizes.mirrored, sizes.witnessed);
      growth = growth.filter(({ size }) => size > covered);
      // Peers that are away for long: what counts is the oldest, the newest, and some between.
      if (growth.length > 4096) growth = growth.filter((_, i) => i === 0 || i % 2 === 1);
      for (const waiter of waiters) if (reaches(of(waiter.leaf), waiter.level)) waiter.done();
    },
    wait(leaf, level, ms) {
      if (reaches(of(leaf), level) || !possible().has(level) || ms <= 0) return Promise.resolve(of(leaf));
      return new Promise((resolve) => {
        const waiter: Waiter = {
          leaf,
          level,
          done: () => {
            clearTimeout(timer);
            waiters.delete(waiter);
            resolve(of(leaf));
          },
        };
        const timer = setTimeout(waiter.done, ms);
        waiters.add(waiter);
      });
    },
  };
}
