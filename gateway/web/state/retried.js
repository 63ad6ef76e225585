// Does what has to be done with the server until it has succeeded: a few at a time, ever more slowly after failures, and
// at once when the line is back.
import { delayAfter } from "../live/backoff.js";
import { ApiError } from "../rpc/errors.js";

const AT_ONCE = 4;
const resumptions = new Set();

/**
 * Make a function that does some work for a key, and again for as long as it fails in a passing way.
 *
 * What is wanted for a key while it is being done is done once more afterwards, because the answer under way may be
 * older than the wish. The function's promise is kept when it has been tried, whether or not that was a success.
 *
 * @param {(key: any) => Promise<void>} work throws what the server answered.
 * @returns {(key: any) => Promise<void>}
 */
export function retried(work) {
  const waiting = new Map();
  const underWay = new Set();
  let failures = 0;
  let rest = null;

  function want(key) {
    const wish = waiting.get(key) ?? newWish();
    waiting.set(key, wish);
    go();
    return wish.tried;
  }

  function go() {
    for (const [key, { settle }] of waiting) {
      if (rest !== null || underWay.size === AT_ONCE) return;
      if (underWay.has(key)) continue;
      waiting.delete(key);
      underWay.add(key);
      attempt(key).finally(settle);
    }
  }

  async function attempt(key) {
    try {
      await work(key);
      failures = 0;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // Whatever else the server answers, it would answer again.
      if (error.isPassing) {
        slowDown(error.retryAfter);
        want(key);
      }
    } finally {
      underWay.delete(key);
      go();
    }
  }

  function slowDown(retryAfter) {
    if (rest !== null) return;
    failures += 1;
    rest = setTimeout(resume, Math.max(retryAfter, delayAfter(failures)));
  }

  function resume() {
    clearTimeout(rest);
    rest = null;
    go();
  }

  resumptions.add(resume);
  return want;
}

function newWish() {
  let settle;
  const tried = new Promise((resolve) => {
    settle = resolve;
  });
  return { tried, settle };
}

/** Try everything again now that has failed. */
export function retryNow() {
  for (const resume of resumptions) resume();
}
