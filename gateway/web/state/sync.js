// Keeps what the page knows in step with the server: lists everything once, then applies what the engine says.
import { openLink } from "../live/link.js";
import { delayAfter } from "../live/backoff.js";
import { cell } from "./cell.js";
import { applyChannel, applyRead, applyToChannel, applyTyping, loadChannels } from "./channels.js";
import { applyToConversation, renewConversations, retryConversations } from "./conversations.js";
import { announceMessage } from "./incoming.js";
import { applyOutbox, applySent, connectOutbox } from "./outbox.js";
import { readMessage, readTime } from "./reading.js";
import { retryNow } from "./retried.js";
import { applyFriendshipEvent, loadFriendships } from "./requests.js";
import { connectSession, leave, myId, onStopped, session } from "./session.js";

/** "starting", "live", "waiting" (for the line to come back) or "offline". */
export const connection = cell("starting");

/** The error that keeps the lists from being made, or null. */
export const listingError = cell(null);

let tell = () => {};
let listedEpoch = "";
/** How far this tab has been told what happened: a new host of the engine goes on from there. */
let cursors = {};
let hasListed = false;
/** What is said while lists are being made may be newer than they are: it is applied after them. */
const heldBack = [];
let isListing = true;

/** Begin, for the person signed in. */
export function startSync() {
  tell = openLink(hear);
  connectOutbox(tell);
  connectSession(tell, greet);
  greet();
  addEventListener("online", () => tell({ type: "wake" }));
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") tell({ type: "wake" });
  });
  // A page that the browser had put aside has missed what the engine said meanwhile.
  addEventListener("pageshow", (event) => event.persisted && location.reload());
}

/** A call of this tab was refused because the session is over. */
export const reportSignedOut = () => tell({ type: "expired" });

const greet = () => tell({ type: "hello", personId: myId(), epoch: listedEpoch, cursors });

function hear(message) {
  if (session.get().stage === "left") return undefined;
  switch (message.type) {
    case "hosted":
      return greet();
    case "status":
      return applyStatus(message.state);
    case "ready":
      cursors = message.cursors;
      return listAnew(message.epoch);
    case "event":
      cursors[message.from] = message.cursor;
      return isListing ? heldBack.push(message) : applyEvent(message);
    case "outbox":
      return applyOutbox(message.items);
    case "sent":
      return applyMessage(message.message);
    case "stopped":
      return onStopped();
    case "signedOut":
      return message.personId === myId() && leave({ isExpired: message.isExpired });
    default:
      // Of a newer engine than this page.
      return undefined;
  }
}

function applyStatus(state) {
  const before = connection.get();
  connection.set(state);
  if (state === "live" && before !== "live") tryAgain();
}

/** The line is back: whatever failed while it was gone is done now. */
function tryAgain() {
  retryNow();
  retryConversations();
}

async function listAnew(epoch) {
  if (epoch === listedEpoch) return;
  listedEpoch = epoch;
  isListing = true;
  for (let failures = 1; epoch === listedEpoch; failures += 1) {
    try {
      await Promise.all([loadChannels(), loadFriendships()]);
      listingError.set(null);
      if (epoch !== listedEpoch) return;
      if (hasListed) renewConversations();
      hasListed = true;
      isListing = false;
      for (const message of heldBack.splice(0)) applyEvent(message);
      return;
    } catch (error) {
      if (error.isSignedOut) reportSignedOut();
      listingError.set(error);
      await new Promise((resolve) => setTimeout(resolve, delayAfter(failures)));
    }
  }
}

function applyEvent({ from, event }) {
  if (from === "messages") applyMessageEvent(event);
  else applyFriendshipEvent(event);
}

function applyMessageEvent(event) {
  const opening = event.channelOpened ?? event.channelClosed;
  if (opening) applyChannel(opening.channel, readTime(event.eventTime));
  else if (event.messageSent) applyMessage(event.messageSent.message, true);
  else if (event.messageEdited) applyMessage(event.messageEdited.message);
  else if (event.messageDeleted) applyMessage(event.messageDeleted.message);
  else if (event.read) applyRead(event.read);
  else if (event.typing) applyTyping(event.typing);
}

/** Take in a message, as an event or as the answer to a call. */
export function applyMessage(json, isNew = false) {
  const message = readMessage(json);
  applyToChannel(message);
  applyToConversation(message);
  if (message.senderId === myId()) applySent(message.clientMessageId);
  else if (isNew) announceMessage(message);
}
