// The messages of each channel, as far as they have been loaded: a stretch without gaps that ends with the latest one.
import { call } from "../rpc/call.js";
import { cells } from "./cell.js";
import { applySent } from "./outbox.js";
import { readMessage } from "./reading.js";
import { retried } from "./retried.js";
import { myId } from "./session.js";

/** Messages are drawn in blocks of this many, so that a change redraws one block and no more. */
export const BLOCK = 50;

const SERVICE = "messaging.v1.MessagingService";
const EMPTY = {
  status: "new",
  isStale: false,
  blocks: [],
  first: 0,
  last: 0,
  isLoadingOlder: false,
  error: null,
};

/**
 * By the channel's id: `status` is "new", "loading", "failed" or "ready"; `isStale` is whether what is there may have
 * missed changes and has to be listed anew; `blocks` are `{index, messages}` in order; `first` and `last` are the places
 * (`seq`) of the stretch's ends, 0 when it is empty.
 */
export const conversation = cells(EMPTY);

const opened = new Set();
/** What is listed now: `{channelId, said, isDropped}`. */
const listings = new Set();
/** Up to where a stretch has been listed anew, by the channel's id, for as long as that is not done. */
const renewedTo = new Map();

/** Load the latest messages of a channel, or bring those that are there up to date. */
export async function openConversation(channelId) {
  const held = conversation(channelId);
  opened.add(channelId);
  const { status, isStale, first } = held.get();
  if (status === "new" || status === "failed") {
    held.set({ ...EMPTY, status: "loading" });
    await load(channelId, {}, { status: "ready" }).catch((error) => held.set({ ...EMPTY, status: "failed", error }));
  } else if (isStale) {
    held.set((now) => ({ ...now, isStale: false }));
    renewedTo.set(channelId, Math.max(first - 1, 0));
    catchUp(channelId);
  }
}

/** Load the page of messages before the first. */
export async function loadOlder(channelId) {
  const held = conversation(channelId);
  const { status, first, isLoadingOlder } = held.get();
  if (status !== "ready" || first <= 1 || isLoadingOlder) return;
  held.set((now) => ({ ...now, isLoadingOlder: true, error: null }));
  const isDone = { isLoadingOlder: false };
  await load(channelId, { beforeSeq: String(first) }, isDone).catch((error) =>
    held.set((now) => ({ ...now, ...isDone, error })),
  );
}

/** Take in a message, new or changed. */
export function applyToConversation(message) {
  const { channelId, seq } = message;
  for (const listing of listings) if (listing.channelId === channelId) listing.said.push(message);
  const held = conversation(channelId);
  const { status, last } = held.get();
  if (status !== "ready") return;
  if (seq > last + 1) catchUp(channelId);
  else held.set((now) => insert(now, [message]));
}

/** What is loaded may have missed changes: while or when it is shown, it is listed anew. What is under way is void. */
export function renewConversations() {
  for (const listing of listings) listing.isDropped = true;
  for (const channelId of opened) {
    const held = conversation(channelId);
    const { status } = held.get();
    if (status === "loading") held.set(EMPTY);
    if (status === "ready") held.set((now) => ({ ...now, isStale: true, isLoadingOlder: false }));
  }
}

/** Load what could not be loaded, now that the line is back. */
export function retryConversations() {
  for (const channelId of opened) {
    const held = conversation(channelId);
    if (held.get().status === "failed") held.set(EMPTY);
    else if (held.get().error) loadOlder(channelId);
  }
}

/** Load what is behind the end of the stretch or, when it is being renewed, behind what has been listed anew. */
const catchUp = retried(async (channelId) => {
  const held = conversation(channelId);
  while (!held.get().isStale) {
    const after = renewedTo.get(channelId) ?? held.get().last;
    const page = await load(channelId, { afterSeq: String(after) });
    if (page === null) continue;
    if (page.isLast) {
      renewedTo.delete(channelId);
      return;
    }
    if (renewedTo.has(channelId)) renewedTo.set(channelId, page.messages.at(-1).seq);
  }
});

/**
 * List messages and put them where they belong.
 *
 * @param {object} changes what else becomes of the conversation then.
 * @returns {Promise<{messages: object[], isLast: boolean} | null>} the page, in ascending order; null if the stretch
 *   for which it was made had to be renewed meanwhile.
 */
async function load(channelId, start, changes = {}) {
  const listing = { channelId, said: [], isDropped: false };
  listings.add(listing);
  let page;
  try {
    page = await list(channelId, start);
  } catch (error) {
    if (listing.isDropped) return null;
    throw error;
  } finally {
    listings.delete(listing);
  }
  if (listing.isDropped) return null;
  conversation(channelId).set((now) => insert({ ...now, ...changes }, page.messages));
  // What was said meanwhile may be newer than the page.
  for (const message of listing.said) applyToConversation(message);
  return page;
}

async function list(channelId, start) {
  const request = { channelId, pageSize: BLOCK, ...start };
  const answer = await call(`${SERVICE}/ListMessages`, request);
  const messages = (answer.messages ?? []).map(readMessage).sort((a, b) => a.seq - b.seq);
  // One whose answer was lost on the way waits in the outbox still; it must not be shown twice.
  for (const message of messages) if (message.senderId === myId()) applySent(message.clientMessageId);
  return { messages, isLast: !answer.nextPageToken };
}

/** Put messages, in ascending order, where they belong. Whatever would leave a gap in the stretch is left out. */
function insert(state, messages) {
  if (messages.length === 0 || !isAdjoining(state, messages)) return state;
  const blocks = new Map(state.blocks.map((block) => [block.index, block]));
  const touched = new Map();
  for (const message of messages) {
    const index = Math.floor((message.seq - 1) / BLOCK);
    if (!touched.has(index)) {
      const known = blocks.get(index)?.messages ?? [];
      touched.set(index, new Map(known.map((one) => [one.seq, one])));
    }
    touched.get(index).set(message.seq, message);
  }
  for (const [index, bySeq] of touched) {
    const inOrder = [...bySeq.values()].sort((a, b) => a.seq - b.seq);
    blocks.set(index, { index, messages: inOrder });
  }
  return {
    ...state,
    blocks: [...blocks.values()].sort((a, b) => a.index - b.index),
    first: Math.min(state.first || Infinity, messages[0].seq),
    last: Math.max(state.last, messages.at(-1).seq),
  };
}

function isAdjoining({ first, last }, messages) {
  return last === 0 || (messages[0].seq <= last + 1 && messages.at(-1).seq >= first - 1);
}

/** Return the latest of one's own messages that is not deleted, as far as they are loaded. */
export function lastOwnMessage(channelId) {
  const isOwn = ({ senderId, deleteTime }) => senderId === myId() && !deleteTime;
  const { blocks } = conversation(channelId).get();
  return blocks.findLast(({ messages }) => messages.some(isOwn))?.messages.findLast(isOwn);
}

/** Return the message at a place, if it is loaded. */
export function messageAt(channelId, seq) {
  const block = conversation(channelId)
    .get()
    .blocks.find(({ index }) => index === Math.floor((seq - 1) / BLOCK));
  return block?.messages.find((message) => message.seq === seq);
}
