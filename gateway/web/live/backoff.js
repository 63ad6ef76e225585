// Says how long to wait before the next attempt: longer each time, and never all browsers at once.

const FIRST = 500;
const LONGEST = 10_000;

/** Return the milliseconds to wait after so many failures in a row, the first being 1. */
export function delayAfter(failures, random = Math.random) {
  const ceiling = Math.min(LONGEST, FIRST * 2 ** Math.min(failures - 1, 10));
  return ceiling / 2 + (random() * ceiling) / 2;
}
