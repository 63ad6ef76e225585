// The caller's direct messaging channels: their last line, unread counts and read marks.
import { call, listAll } from "../rpc/call.js";
import { cell, cells } from "./cell.js";
import { readChannel } from "./reading.js";
import { ensurePerson } from "./people.js";
import { retried } from "./retried.js";
import { myId } from "./session.js";

/** By the friend's id; null until they are known. */
export const channels = cell(null);

/** When a channel was seen to close, by the friend's id: a time in milliseconds. The contract keeps no such time. */
export const closedAt = cells(0);

/** Whether a friend is typing, by the friend's id. */
export const typing = cells(false);

const SERVICE = "messaging.v1.MessagingService";
const TYPING_SHOWN_FOR = 5500;
const typingTimers = new Map();

/** List all channels anew. */
export async function loadChannels() {
  const list = (await listAll(`${SERVICE}/ListChannels`, "channels")).map(readChannel);
  channels.set(new Map(list.map((channel) => [channel.friendId, channel])));
}

/** Return the channel with a friend as it is known now. */
export const channelWith = (friendId) => channels.get()?.get(friendId);

const channelById = (channelId) =>
  [...(channels.get()?.values() ?? [])].find((channel) => channel.channelId === channelId);

/** Ask for the channel with a friend; that opens it if the two are friends. */
export const openChannel = (friendId) => ask({ personId: friendId }, () => channelWith(friendId));

/** Ask how a channel is now, and what is unread there. */
const refreshChannel = retried((channelId) => ask({ channelId }, () => channelById(channelId)));

async function ask(key, known) {
  const before = known();
  const { channel } = await call(`${SERVICE}/GetChannel`, key);
  // What was said of it meanwhile may be newer than the answer.
  if (known() === before) keepChannel(channel);
  else refreshChannel(channel.channelId);
}

/** Take in a channel as the server has just said it is. */
function keepChannel(json) {
  const channel = readChannel(json);
  channels.set((before) => before && new Map(before).set(channel.friendId, channel));
  ensurePerson(channel.friendId);
  return channel;
}

/** Take in a channel's opening or closing. */
export function applyChannel(json, eventTime) {
  const channel = keepChannel(json);
  closedAt(channel.friendId).set(channel.state === "CHANNEL_STATE_CLOSED" ? eventTime : 0);
  if (channel.state === "CHANNEL_STATE_CLOSED") typing(channel.friendId).set(false);
  return channel;
}

/** Take in a message, new or changed, for the list's last line and count. */
export function applyToChannel(message) {
  const channel = channelById(message.channelId);
  if (!channel) {
    refreshChannel(message.channelId);
    return;
  }
  const isMine = message.senderId === myId();
  if (message.seq > channel.lastSeq) {
    update(channel, {
      lastSeq: message.seq,
      lastMessage: message,
      activeTime: message.createTime,
      unreadCount: channel.unreadCount + (isMine || message.deleteTime ? 0 : 1),
    });
    if (!isMine) showTyping(channel.friendId, false);
  } else if (message.seq === channel.lastSeq) {
    update(channel, { lastMessage: message });
  }
  // One's own message may be ahead of what a friend has written before it: that counts, whenever the stream brings it.
  const isAhead = message.seq > channel.lastSeq + 1;
  const isGone = message.deleteTime && !isMine && message.seq > channel.readSeq;
  if (isAhead || isGone) refreshChannel(channel.channelId);
}

/** Take in a read mark, of the friend or of the caller on another device. */
export function applyRead({ channelId, personId, seq }) {
  const channel = channelById(channelId);
  if (!channel) return;
  if (personId !== myId()) {
    update(channel, { friendReadSeq: Math.max(channel.friendReadSeq, Number(seq)) });
  } else if (Number(seq) >= channel.lastSeq) {
    update(channel, { readSeq: channel.lastSeq, unreadCount: 0 });
  } else if (Number(seq) > channel.readSeq) {
    refreshChannel(channelId);
  }
}

/** Show for a while that a friend is typing. */
export function applyTyping({ channelId, personId }) {
  const channel = channelById(channelId);
  if (channel && personId === channel.friendId) showTyping(personId, true);
}

function showTyping(friendId, isTyping) {
  clearTimeout(typingTimers.get(friendId));
  typing(friendId).set(isTyping);
  if (isTyping) {
    const timer = setTimeout(() => typing(friendId).set(false), TYPING_SHOWN_FOR);
    typingTimers.set(friendId, timer);
  }
}

/** Mark a channel as read up to its latest message. */
export function markRead(friendId) {
  const channel = channelWith(friendId);
  if (!channel || channel.unreadCount === 0) return;
  const { channelId, lastSeq } = channel;
  update(channel, { unreadCount: 0, readSeq: lastSeq });
  readTo.set(channelId, lastSeq);
  tellRead(channelId);
}

/** Up to where one has read, by the channel's id, whatever the server has been told of it yet. */
const readTo = new Map();

const tellRead = retried((channelId) =>
  call(`${SERVICE}/MarkRead`, { channelId, seq: String(readTo.get(channelId)) }),
);

/** Tell the friend that the caller is typing. It is shown or lost. */
export function tellTyping(channelId) {
  call(`${SERVICE}/SendTyping`, { channelId }).catch(() => {});
}

function update(channel, changes) {
  channels.set((before) => new Map(before).set(channel.friendId, { ...channel, ...changes }));
}
