// What was written and is not sent yet, as this tab shows it. The sending is the engine's (live/sender.js).
import * as storage from "../live/storage.js";
import { cell } from "./cell.js";
import { shelf } from "./kept.js";
import { myId } from "./session.js";

/**
 * In the order in which they were written: `{id, owner, friendId, channelId, text, attachments, writtenAt, state,
 * reason}`; `state` is "waiting" or "refused", for the reason named.
 */
export const outbox = cell([]);

let tellEngine = () => {};
/** What this tab knows to have been sent: a list that the engine made before must not bring it back. */
const sent = new Set();
/** What this tab has written and the engine has not listed yet. */
const fresh = new Map();
/** What is not in the database yet: a page that goes away does not wait for it. */
const underWay = shelf("localStorage", "message");

/** Learn how to speak with the engine, and take up what a page that went away has left under way. */
export function connectOutbox(tell) {
  tellEngine = tell;
  // Should it have got there after all, or even have been sent: under the same id it is the same message.
  for (const item of underWay.all().sort((a, b) => a.writtenAt - b.writtenAt)) hand(item);
}

/** Write a message. It is kept until it is sent, or refused and then discarded. */
export function write({ friendId, channelId, text, attachments = [] }) {
  const item = {
    id: crypto.randomUUID(),
    owner: myId(),
    friendId,
    channelId,
    text,
    attachments,
    // After all that waits, from whichever tab, should the clock be set back or not tell them apart.
    writtenAt: Math.max(Date.now(), ...outbox.get().map(({ writtenAt }) => writtenAt + 1)),
    state: "waiting",
    reason: "",
  };
  underWay.set(item.id, item);
  hand(item);
}

/** Hand a message over to the engine, by way of the database. */
async function hand(item) {
  fresh.set(item.id, item);
  outbox.set((all) => [...all, item]);
  const isStored = await storage.put(item).then(
    () => true,
    () => false,
  );
  underWay.set(item.id, null);
  tellEngine({ type: "send", item, isStored });
}

/** Try again to send a message that was refused. */
export const retry = (id) => tellEngine({ type: "retry", id });

/** Give up a message that was refused. */
export const discard = (id) => tellEngine({ type: "discard", id });

/** Take in what the engine says is waiting. */
export function applyOutbox(items) {
  for (const { id } of items) fresh.delete(id);
  const all = [...items, ...fresh.values()];
  outbox.set(all.filter((item) => item.owner === myId() && !sent.has(item.id)));
}

/** Take in that a message has its place in the channel. */
export function applySent(clientMessageId) {
  if (!clientMessageId) return;
  sent.add(clientMessageId);
  fresh.delete(clientMessageId);
  outbox.set((all) => (all.some(({ id }) => id === clientMessageId) ? all.filter(({ id }) => id !== clientMessageId) : all));
}
