// Keeps one stream of events alive: resumes it from its cursor after cuts, sleep and restarts of the server.
import { stream } from "../rpc/stream.js";
import { delayAfter } from "./backoff.js";

/** A stream that says nothing before it has caught up is dead after this long. */
const HANDSHAKE = 15_000;
/** An idle stream looks like one whose network went away, so it is renewed after this long. */
const SILENCE = 240_000;
/** After a sign of trouble (waking up, a tab coming to the front) a stream heard of less long ago is believed in. */
const FRESH = 20_000;

export class Follower {
  #wishes;
  #cursor;
  #attempt = null;
  #endPause = null;
  #watchdog = null;
  #heardAt = 0;
  #isStopped = false;

  /** "starting" until the first event can be awaited, then "live" or "waiting". */
  state = "starting";

  /**
   * @param {string | null} cursor where to go on, if that is known.
   * @param {object} wishes
   * @param {string} wishes.method streams `{event, cursor}`.
   * @param {() => Promise<void>} wishes.confirm before it has resolved, nothing is asked.
   * @param {() => Promise<string>} wishes.begin returns a cursor to watch from; called again when it has expired.
   * @param {() => void} wishes.onFresh told whenever `begin` has returned: what was known before is out of date.
   * @param {(event: object, cursor: string) => void} wishes.onEvent
   * @param {() => void} wishes.onState told when `state` has changed.
   * @param {() => Promise<boolean>} wishes.isSignedOut asked when the server doesn't know the caller.
   */
  constructor(cursor, wishes) {
    this.#cursor = cursor;
    this.#wishes = wishes;
    this.#run();
  }

  /** Where it stands; null before it has begun. */
  get cursor() {
    return this.#cursor;
  }

  /** Try at once, and don't believe in a stream that has been silent for a while. */
  wake() {
    this.#endPause?.();
    if (Date.now() - this.#heardAt > FRESH) this.#attempt?.abort();
  }

  stop() {
    this.#isStopped = true;
    this.#attempt?.abort();
    this.#endPause?.();
    clearTimeout(this.#watchdog);
  }

  async #run() {
    let failures = 0;
    while (!this.#isStopped) {
      const wasLive = await this.#attemptOnce();
      if (this.#isStopped) return;
      failures = wasLive ? 1 : failures + 1;
      this.#enter("waiting");
      await this.#pause(delayAfter(failures));
    }
  }

  /** Follow the stream until it ends. Returns whether it was live. */
  async #attemptOnce() {
    const attempt = new AbortController();
    this.#attempt = attempt;
    let isLive = false;
    try {
      this.#expectWithin(HANDSHAKE);
      await this.#wishes.confirm();
      if (this.#cursor === null) {
        this.#cursor = await this.#wishes.begin();
        this.#wishes.onFresh();
      }
      const request = { afterCursor: this.#cursor };
      for await (const { event = {}, cursor } of stream(this.#wishes.method, request, attempt.signal)) {
        if (this.#isStopped) break;
        if (cursor) this.#cursor = cursor;
        if (event.caughtUp) {
          isLive = true;
          this.#enter("live");
        } else {
          this.#wishes.onEvent(event, this.#cursor);
        }
        this.#expectWithin(isLive ? SILENCE : HANDSHAKE);
      }
    } catch (error) {
      await this.#consider(error);
    } finally {
      clearTimeout(this.#watchdog);
      attempt.abort();
    }
    return isLive;
  }

  async #consider(error) {
    if (error.reason === "CURSOR_EXPIRED" || error.reason === "CURSOR_INVALID") this.#cursor = null;
    if (error.isSignedOut && (await this.#wishes.isSignedOut())) this.stop();
  }

  #expectWithin(milliseconds) {
    this.#heardAt = Date.now();
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.#attempt?.abort(), milliseconds);
  }

  #enter(state) {
    if (this.state === state || this.#isStopped) return;
    this.state = state;
    this.#wishes.onState();
  }

  #pause(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
