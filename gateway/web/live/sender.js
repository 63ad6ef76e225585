// Sends what waits in the outbox: in order, once, whenever the line is there, whichever tab it was written in.
import { call } from "../rpc/call.js";
import { ApiError } from "../rpc/errors.js";
import { delayAfter } from "./backoff.js";
import * as storage from "./storage.js";

export class Sender {
  #owner;
  #wishes;
  #work = null;
  #isAskedAgain = false;
  #isStopped = false;
  #abort = new AbortController();
  #timer = null;
  #failures = 0;
  /** Where the browser keeps nothing (private windows of some), messages wait in memory. */
  #unstored = new Map();

  /**
   * @param {string} owner whose messages are sent.
   * @param {object} wishes
   * @param {() => Promise<void>} wishes.confirm before it has resolved, nothing is sent.
   * @param {(items: object[]) => void} wishes.onChange told what waits now.
   * @param {(message: object) => void} wishes.onSent
   * @param {() => Promise<boolean>} wishes.isSignedOut asked when the server doesn't know the caller.
   */
  constructor(owner, wishes) {
    this.#owner = owner;
    this.#wishes = wishes;
  }

  /** Take a message that could not be stored. */
  hold(item) {
    this.#unstored.set(item.id, item);
  }

  async retry(id) {
    const item = (await this.#items()).find((candidate) => candidate.id === id);
    if (item) await this.#keep({ ...item, state: "waiting", reason: "" });
    this.flush();
  }

  async discard(id) {
    await this.#drop(id);
    await this.tell();
  }

  /** Tell what waits. */
  async tell() {
    const items = await this.#items();
    if (!this.#isStopped) this.#wishes.onChange(items);
  }

  /** Send all that waits, as far as it can be sent now. */
  flush() {
    clearTimeout(this.#timer);
    this.#isAskedAgain = true;
    this.#work ??= this.#flushAll()
      .catch((error) => {
        // A fault of ours or of the browser's storage. What waits must not wait for ever.
        console.error(error);
        this.#tryLater(error);
      })
      .finally(() => {
        this.#work = null;
      });
  }

  /** Stop, and resolve when nothing is under way any more. */
  async stop() {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#abort.abort();
    await this.#work;
  }

  async #flushAll() {
    while (this.#isAskedAgain && !this.#isStopped) {
      this.#isAskedAgain = false;
      await this.tell();
      await this.#sendWaiting();
    }
  }

  async #sendWaiting() {
    while (!this.#isStopped) {
      const item = (await this.#items()).find((candidate) => candidate.state === "waiting");
      if (!item) return;
      try {
        const message = await this.#send(item);
        this.#failures = 0;
        if (this.#isStopped) return;
        this.#wishes.onSent(message);
        await this.#drop(item.id);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (this.#isStopped) return;
        if (error.isSignedOut && (await this.#wishes.isSignedOut())) return;
        if (error.isSignedOut || error.isPassing) {
          this.#tryLater(error);
          return;
        }
        await this.#keep({ ...item, state: "refused", reason: error.reason || error.code });
      }
      await this.tell();
    }
  }

  async #send(item) {
    await this.#wishes.confirm();
    const options = { signal: this.#abort.signal };
    const channelId =
      item.channelId ||
      (await call("messaging.v1.MessagingService/GetChannel", { personId: item.friendId }, options))
        .channel.channelId;
    const request = {
      channelId,
      clientMessageId: item.id,
      text: item.text,
      attachmentIds: item.attachments.map((attachment) => attachment.attachmentId),
    };
    return (await call("messaging.v1.MessagingService/SendMessage", request, options)).message;
  }

  #tryLater(error) {
    this.#failures += 1;
    const delay = Math.max(error.retryAfter ?? 0, delayAfter(this.#failures));
    this.#timer = setTimeout(() => this.flush(), delay);
  }

  async #items() {
    const stored = await storage.list(this.#owner).catch(() => []);
    return [...stored, ...this.#unstored.values()];
  }

  async #keep(item) {
    if (this.#unstored.has(item.id)) this.#unstored.set(item.id, item);
    else await storage.put(item);
  }

  async #drop(id) {
    if (!this.#unstored.delete(id)) await storage.remove(id);
  }
}
