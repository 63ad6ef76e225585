// The conversation with one friend: who it is with, the messages, the composer or why there is none.
import { useCell } from "../../state/cell.js";
import { channels, closedAt, openChannel, typing } from "../../state/channels.js";
import { conversation, openConversation } from "../../state/conversations.js";
import { announce } from "../../state/notices.js";
import { usePerson } from "../../state/people.js";
import { goBack, hrefs } from "../../state/route.js";
import { errorText } from "../../text/error_text.js";
import { relativeTime, t } from "../../text/i18n.js";
import { html, useCallback, useEffect, useLayoutEffect, useRef, useState } from "../../ui.js";
import { Avatar } from "../../parts/avatar.js";
import { Empty } from "../../parts/empty.js";
import { Icon } from "../../parts/icon.js";
import { Composer } from "./composer.js";
import { DropTarget, useDrop } from "./drop_target.js";
import { MessageList } from "./message_list.js";
import { PendingMessages } from "./pending_messages.js";

export function Conversation({ friendId }) {
  const person = usePerson(friendId);
  const channel = useCell(channels, (all) => all?.get(friendId));
  const error = useChannel(friendId, channel);
  const name = person?.displayName ?? (person === null ? t("person.unknown") : "");
  const isReplacing = useReopening(channel);
  const place = useRef(null);
  const composer = useRef(null);
  const list = useRef(null);
  const isOpen = channel?.state === "CHANNEL_STATE_OPEN";
  const take = useCallback((dropped) => composer.current?.take(dropped), []);
  const isOver = useDrop(place, take, isOpen);
  return html`<section class="conversation" ref=${place} aria-label=${t("conversation.region", { name })}>
    <${Head} person=${person} id=${friendId} name=${name} />
    ${channel && html`<${Messages} channel=${channel} name=${name} composer=${composer} list=${list} />`}
    ${!channel && error && html`<${NoChannel} error=${error} friendId=${friendId} name=${name} />`}
    ${channel && !isOpen && html`<${Closed}
      person=${person}
      friendId=${friendId}
      name=${name}
      isReplacing=${isReplacing}
    />`}
    ${isOpen &&
    html`<${TypingSign} friendId=${friendId} name=${name} />
      <${Composer}
        key=${channel.channelId}
        friendId=${friendId}
        channelId=${channel.channelId}
        name=${name}
        handle=${composer}
        isReplacing=${isReplacing}
        onLeave=${() => list.current?.focusLast()}
      />`}
    ${isOver && html`<${DropTarget} name=${name} />`}
  </section>`;
}

/** Ask for the channel if the lists don't have it: two who have just become friends may be ahead of the news. */
function useChannel(friendId, channel) {
  const [error, setError] = useState(null);
  const isListed = useCell(channels, (all) => all !== null);
  useEffect(() => {
    if (!isListed || channel) return;
    openChannel(friendId).then(() => setError(null), setError);
  }, [isListed, channel === undefined]);
  return error;
}

/** Announce that a channel is open again. Returns whether composer and notice are just taking each other's place. */
function useReopening(channel) {
  const before = useRef(channel?.state);
  const isReplacing = before.current !== undefined && before.current !== channel?.state;
  useEffect(() => {
    before.current = channel?.state;
    if (isReplacing && channel?.state === "CHANNEL_STATE_OPEN") announce(t("conversation.reopened"));
  }, [channel?.state]);
  return isReplacing;
}

function Head({ person, id, name }) {
  return html`<header class="talk-head">
    <button
      class="icon-button talk-back"
      type="button"
      aria-label=${t("app.back")}
      onClick=${() => goBack(hrefs.home)}
    >
      <${Icon} name="back" size=${24} />
    </button>
    <a class="talk-person" href=${hrefs.person(id)} title=${t("conversation.profileOf", { name })}>
      <${Avatar} person=${person} id=${id} size=${40} />
      <span class="talk-words">
        <bdi class="talk-name">${name}</bdi>
        ${person && html`<span class="talk-handle">@${person.handle}</span>`}
      </span>
    </a>
    <h1 class="visually-hidden" tabindex="-1">${name}</h1>
  </header>`;
}

function Messages({ channel, name, composer, list }) {
  const { channelId } = channel;
  const held = useCell(conversation(channelId));
  useEffect(() => {
    if (held.status === "new" || held.isStale) openConversation(channelId);
  }, [channelId, held.status, held.isStale]);
  if (held.status !== "ready") return html`<${Unloaded} channel=${channel} held=${held} />`;
  return html`<${MessageList}
    key=${channelId}
    channel=${channel}
    held=${held}
    name=${name}
    composer=${composer}
    handle=${list}
  />`;
}

/** What stands in the messages' place until they are loaded; what one writes meanwhile is seen to wait. */
function Unloaded({ channel: { channelId, friendId }, held: { status, error } }) {
  return html`<div class="talk-place">
    <div class="talk-scroller" tabindex="0" role="region" aria-label=${t("conversation.messages")}>
      <div class="talk-content">
        <div class="talk-loading" aria-busy=${status !== "failed"}>
          ${status === "failed"
            ? html`<${Empty} title=${t("conversation.failed")} text=${errorText(error)}>
                <button class="button" type="button" onClick=${() => openConversation(channelId)}>
                  ${t("app.retry")}
                </button>
              <//>`
            : html`<span class="spinner"></span>`}
        </div>
        <${PendingMessages} friendId=${friendId} />
      </div>
    </div>
  </div>`;
}

function NoChannel({ error, friendId, name }) {
  const isStranger = error.reason === "CHANNEL_NOT_FOUND" || error.reason === "PERSON_NOT_FOUND";
  return html`<div class="centre">
    ${isStranger
      ? html`<${Empty} title=${t("conversation.notFriends", { name })} text=${t("conversation.notFriendsText")}>
          <a class="button" href=${hrefs.person(friendId)}>${t("conversation.openProfile")}</a>
        <//>`
      : html`<${Empty} title=${t("conversation.failed")} text=${errorText(error)}>
          <button
            class="button"
            type="button"
            onClick=${() => openChannel(friendId).catch(() => {})}
          >
            ${t("app.retry")}
          </button>
        <//>`}
  </div>`;
}

/** What stands in the composer's place once the channel is closed. Whoever was writing then finds themselves here. */
function Closed({ person, friendId, name, isReplacing }) {
  const notice = useRef(null);
  useLayoutEffect(() => {
    if (isReplacing && document.activeElement === document.body) notice.current.focus({ preventScroll: true });
  }, []);
  const time = useCell(closedAt(friendId));
  const isByMe = person?.relationship === "RELATIONSHIP_BLOCKED";
  const words = [
    isByMe ? t("conversation.closedByBlock", { name }) : t("conversation.closed"),
    time > 0 && t("conversation.closedSince", { ago: relativeTime(time) }),
    t("conversation.closedText"),
  ];
  return html`<div class="talk-closed" role="status" tabindex="-1" ref=${notice}>
    <${Icon} name="lock" size=${20} />
    <p>${words.filter(Boolean).join(" ")}</p>
    <a class="button" href=${hrefs.person(friendId)}>${t("conversation.openProfile")}</a>
  </div>`;
}

function TypingSign({ friendId, name }) {
  const isTyping = useCell(typing(friendId));
  return html`<p class="typing" role="status">
    ${isTyping &&
    html`<span class="typing-dots" aria-hidden="true"><i></i><i></i><i></i></span>${t("conversation.typing", { name })}`}
  </p>`;
}

