// Deterministic randomness of one input: the same seed and number give the same input on every machine.

/** Random choices from two 32-bit numbers (splitmix-like; quality enough to spread damage, not for keys). */
export function randomOf(seed, index) {
  let state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0;
  const next = () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
  /** From 0 to n - 1. */
  const below = (n) => (n <= 1 ? 0 : next() % n);
  return {
    below,
    /** From 1 to n, small ones more often. */
    few: (n) => 1 + below(1 + below(n)),
    chance: (percent) => below(100) < percent,
    pick: (list) => list[below(list.length)],
    bytes: (length) => Buffer.from(Array.from({ length }, () => below(256))),
  };
}
