// The scroller of a conversation: stays at the newest message or wherever one reads, loads the past on the way up.
//
// Its one child hangs from the bottom (`flex-direction: column-reverse`), so that places are measured from there: what
// is added above moves nothing, and who is at the newest message stays there without a line of code.
import { useCell } from "../../state/cell.js";
import { markRead } from "../../state/channels.js";
import { loadOlder } from "../../state/conversations.js";
import { outbox } from "../../state/outbox.js";
import { t } from "../../text/i18n.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "../../ui.js";
import { Icon } from "../../parts/icon.js";
import { MessageBlock } from "./message_block.js";
import { useMessageKeys } from "./message_keys.js";
import { PendingMessages } from "./pending_messages.js";

const AT_END = 48;
const LOAD_AHEAD = 1200;

/**
 * @param {object} properties
 * @param {object} properties.channel
 * @param {object} properties.held the messages, as in state/conversations.js.
 * @param {string} properties.name the friend's.
 * @param {{current: object}} properties.composer what can be asked of the composer, if there is one.
 * @param {{current: object}} properties.handle is given `focusLast()`.
 */
export function MessageList({ channel, held, name, composer, handle }) {
  const scroller = useRef(null);
  const { channelId, friendId, friendReadSeq } = channel;
  const isOpen = channel.state === "CHANNEL_STATE_OPEN";
  const { blocks, first, last, isLoadingOlder, error } = held;
  // The line above what was unread stays where it was when one arrived.
  const newFrom = useRef(channel.unreadCount > 0 && channel.readSeq > 0 ? channel.readSeq + 1 : 0).current;
  const [isAtEnd, onScroll, jump] = usePlace(scroller, last);
  const unseen = useUnseen(isAtEnd, last);
  const { places, listeners, focusLast } = useMessageKeys({ scroller, composer, channelId, isOpen, last });
  handle.current = { focusLast };
  useReading(friendId, isAtEnd, channel.unreadCount);
  useOwnMessages(friendId, jump);
  useLayoutEffect(() => fill(), [first, isLoadingOlder]);

  function fill() {
    const { scrollHeight, clientHeight, scrollTop } = scroller.current;
    const above = scrollHeight - clientHeight + scrollTop;
    if (above < LOAD_AHEAD && !isLoadingOlder && !error) loadOlder(channelId);
  }

  return html`<div class="talk-place">
    <div
      class="talk-scroller"
      ref=${scroller}
      tabindex=${last === 0 ? 0 : undefined}
      role="region"
      aria-label=${t("conversation.messages")}
      ...${listeners}
      onScroll=${() => {
        // It may come a moment after the conversation has gone.
        if (scroller.current === null) return;
        onScroll();
        fill();
      }}
    >
      <div class="talk-content">
        <${Beginning} held=${held} channelId=${channelId} name=${name} />
        ${blocks.map(
          ({ index, messages }, place) => html`<${MessageBlock}
            key=${index}
            messages=${messages}
            before=${blocks[place - 1]?.messages.at(-1)}
            name=${name}
            readSeq=${within(friendReadSeq, messages)}
            newFrom=${newFrom > messages.at(-1).seq || newFrom < messages[0].seq ? 0 : newFrom}
            isLatest=${place >= blocks.length - 2}
            places=${places}
            isOpen=${isOpen}
          />`,
        )}
        <${PendingMessages} friendId=${friendId} />
      </div>
    </div>
    ${!isAtEnd &&
    html`<button class="jump" type="button" onClick=${jump}>
      <${Icon} name="down" size=${20} />
      ${unseen > 0
        ? html`<span>${t("conversation.jumpNew", { count: unseen })}</span>`
        : html`<span class="visually-hidden">${t("conversation.jump")}</span>`}
    </button>`}
  </div>`;
}

/** A read mark as far as it concerns a block, so that a mark that moves redraws only the blocks it passes. */
const within = (seq, messages) => Math.max(messages[0].seq - 1, Math.min(seq, messages.at(-1).seq));

function Beginning({ held: { first, isLoadingOlder, error }, channelId, name }) {
  if (error) {
    return html`<p class="talk-older" role="alert">
      ${t("conversation.olderFailed")}${" "}
      <button class="text-button" type="button" onClick=${() => loadOlder(channelId)}>${t("app.retry")}</button>
    </p>`;
  }
  if (first > 1) {
    return html`<p class="talk-older">
      ${isLoadingOlder && html`<span class="spinner"></span><span>${t("conversation.loadingOlder")}</span>`}
    </p>`;
  }
  return html`<p class="talk-beginning">
    ${t("conversation.start", { name })}<br />${t("conversation.private")}
  </p>`;
}

/** Where one is. Who reads further up stays there when something is added below. */
function usePlace(scroller, last) {
  const [isAtEnd, setAtEnd] = useState(true);
  const before = useRef(last);
  // Measured while the page still shows what it showed, and not by heights: those of what is out of sight are guesses.
  const read = !isAtEnd && last !== before.current ? firstInSight(scroller.current) : null;
  const place = read && placeIn(scroller.current, read);
  useLayoutEffect(() => {
    before.current = last;
    if (read?.isConnected) scroller.current.scrollTop += placeIn(scroller.current, read) - place;
  });
  const onScroll = () => setAtEnd(scroller.current.scrollTop > -AT_END);
  const jump = () => {
    scroller.current.scrollTop = 0;
    setAtEnd(true);
  };
  return [isAtEnd, onScroll, jump];
}

/** How far a message is above the lower edge of the scroller, from where places are counted. */
const placeIn = (scroller, message) =>
  message.getBoundingClientRect().bottom - scroller.getBoundingClientRect().bottom;

/** The message at the upper edge of what one sees. */
function firstInSight(scroller) {
  const { top } = scroller.getBoundingClientRect();
  const isInSight = (element) => element.getBoundingClientRect().bottom > top;
  const block = [...scroller.querySelectorAll(".block")].find(isInSight);
  return [...(block?.querySelectorAll("[data-seq]") ?? [])].find(isInSight) ?? null;
}

/** How many messages have come since one left the end. */
function useUnseen(isAtEnd, last) {
  const left = useRef(last);
  if (isAtEnd) left.current = last;
  return last - left.current;
}

/** What is at the end of a visible page has been read. */
function useReading(friendId, isAtEnd, unreadCount) {
  useEffect(() => {
    const read = () => {
      if (isAtEnd && document.visibilityState === "visible") markRead(friendId);
    };
    read();
    document.addEventListener("visibilitychange", read);
    return () => document.removeEventListener("visibilitychange", read);
  }, [friendId, isAtEnd, unreadCount]);
}

/** Whoever writes wants to see it. */
function useOwnMessages(friendId, jump) {
  const count = useCell(outbox, (items) => items.filter((item) => item.friendId === friendId).length);
  const before = useRef(count);
  useLayoutEffect(() => {
    if (count > before.current) jump();
    before.current = count;
  }, [count]);
}
