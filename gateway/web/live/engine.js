// The one live connection of a browser: follows both streams for the person signed in and sends what they wrote.
//
// It runs once for all tabs, wherever it is hosted (host.js). Whatever it says, it says to all of them. Tabs say:
//
//   hello {personId, epoch, cursors}  this person is signed in, and the tab has been told this much ("" and {}: nothing)
//   send {item, isStored} a message was written; retry {id}, discard {id}: what to do with one that was refused
//   wake                  the network or the tab is back
//   stop                  the person is about to sign out; answered with "stopped" when nothing is under way
//   forget                the person has signed out; expired: the server no longer knows the session
//
// and hear: hosted, status {state}, ready {epoch, cursors} (list everything, unless that was done in this epoch; what
// follows is newer), event {from, event, cursor}, outbox {items}, sent {message}, stopped, signedOut {personId,
// isExpired}.
import { call, send } from "../rpc/call.js";
import { ApiError } from "../rpc/errors.js";
import { Follower } from "./follower.js";
import { Sender } from "./sender.js";
import * as storage from "./storage.js";

const HEARTBEAT = 15_000;

export class Engine {
  #broadcast;
  #personId = null;
  #followers = {};
  #sender = null;
  #epoch = "";
  #beatAt = Date.now();
  #received = Promise.resolve();

  /** @param {(message: object) => void} broadcast says something to all tabs. */
  constructor(broadcast) {
    this.#broadcast = broadcast;
    setInterval(() => this.#beat(), HEARTBEAT);
    self.addEventListener("online", () => this.#wake());
    self.addEventListener("offline", () => this.#tellStatus());
  }

  /** Take what a tab says; one thing after the other, or two tabs at once would start two of everything. */
  receive(message) {
    this.#received = this.#received.then(() => this.#take(message)).catch(console.error);
  }

  async #take(message) {
    switch (message.type) {
      case "hello":
        return this.#greet(message);
      case "send":
        if (!message.isStored) this.#sender?.hold(message.item);
        return this.#sender?.flush();
      case "retry":
        return this.#sender?.retry(message.id);
      case "discard":
        return this.#sender?.discard(message.id);
      case "wake":
        return this.#wake();
      case "stop":
        await this.#stop();
        return this.#broadcast({ type: "stopped" });
      case "forget":
        return this.#forget(message.personId);
      case "expired":
        return this.#checkSession();
      default:
        throw new Error(`no such message: ${message.type}`);
    }
  }

  async #greet({ personId, epoch, cursors }) {
    if (this.#personId !== personId) {
      const before = this.#personId;
      await this.#stop();
      if (before !== null) this.#broadcast({ type: "signedOut", personId: before });
      await storage.keepOnly(personId).catch(() => {});
      this.#start(personId, epoch, cursors);
    }
    this.#tellStatus();
    this.#tellReady();
    this.#sender.flush();
  }

  /** Start where a tab stands, for the host before this one may have got as far as that. */
  #start(personId, epoch, cursors) {
    this.#personId = personId;
    this.#epoch = epoch;
    const confirm = this.#confirmation(personId);
    const isSignedOut = () => this.#checkSession();
    this.#sender = new Sender(personId, {
      confirm,
      onChange: (items) => this.#broadcast({ type: "outbox", items }),
      onSent: (message) => this.#broadcast({ type: "sent", message }),
      isSignedOut,
    });
    const follow = (from, method, listing) =>
      new Follower(cursors[from] ?? null, {
        method,
        confirm,
        begin: async () => (await call(listing, { pageSize: 1 })).cursor,
        isSignedOut,
        onFresh: () => this.#renew(),
        onEvent: (event, cursor) => this.#broadcast({ type: "event", from, event, cursor }),
        onState: () => {
          this.#tellStatus();
          if (this.#state() === "live") this.#sender?.flush();
        },
      });
    this.#followers = {
      messages: follow(
        "messages",
        "messaging.v1.MessagingService/WatchMessages",
        "messaging.v1.MessagingService/ListChannels",
      ),
      friendships: follow(
        "friendships",
        "friendship.v1.FriendshipService/WatchFriendships",
        "friendship.v1.FriendshipService/ListFriends",
      ),
    };
  }

  async #stop() {
    this.#personId = null;
    this.#epoch = "";
    for (const follower of Object.values(this.#followers)) follower.stop();
    this.#followers = {};
    const sender = this.#sender;
    this.#sender = null;
    await sender?.stop();
  }

  async #forget(personId) {
    await this.#stop();
    this.#broadcast({ type: "signedOut", personId });
  }

  /**
   * Return a function that resolves if the server says, or has said, that this is the person signed in. A tab that was
   * asleep may still show another, in whose name nothing must be sent.
   */
  #confirmation(personId) {
    let asked = null;
    const ask = async () => {
      const state = await send("GET", "/session");
      if (state?.person?.personId !== personId) throw new ApiError({ code: "unauthenticated" });
    };
    return () => {
      asked ??= ask().catch((error) => {
        asked = null;
        throw error;
      });
      return asked;
    };
  }

  /** Ask whether the session is over, and if so, tell all tabs. What waits to be sent stays for the next time. */
  async #checkSession() {
    const personId = this.#personId;
    const state = await send("GET", "/session").catch(() => null);
    if (state === null || this.#personId !== personId) return false;
    if (state.person?.personId === personId) return false;
    // Not awaited: the sender that asks is itself what is being stopped.
    this.#stop();
    this.#broadcast({ type: "signedOut", personId, isExpired: true });
    return true;
  }

  /** A list made before now no longer leads to what the streams say: tabs have to list anew. */
  #renew() {
    this.#epoch = crypto.randomUUID();
    this.#tellReady();
  }

  #tellReady() {
    const cursors = Object.entries(this.#followers).map(([from, { cursor }]) => [from, cursor]);
    if (cursors.length === 0 || cursors.some(([, cursor]) => cursor === null)) return;
    this.#broadcast({ type: "ready", epoch: this.#epoch, cursors: Object.fromEntries(cursors) });
  }

  #state() {
    const states = Object.values(this.#followers).map((follower) => follower.state);
    if (states.every((state) => state === "live")) return "live";
    if (navigator.onLine === false) return "offline";
    return states.includes("waiting") ? "waiting" : "starting";
  }

  #tellStatus() {
    if (this.#personId !== null) this.#broadcast({ type: "status", state: this.#state() });
  }

  #wake() {
    for (const follower of Object.values(this.#followers)) follower.wake();
    this.#sender?.flush();
  }

  /** A timer that comes much too late means that the machine slept, and that the streams are probably dead. */
  #beat() {
    const late = Date.now() - this.#beatAt - HEARTBEAT;
    this.#beatAt = Date.now();
    if (late > HEARTBEAT) this.#wake();
  }
}
