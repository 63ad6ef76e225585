// The list of one's conversations, the liveliest first: who, the last line, when, and what is unread.
import { useCell } from "../state/cell.js";
import { channels, typing } from "../state/channels.js";
import { draftTo } from "../state/drafts.js";
import { outbox } from "../state/outbox.js";
import { usePerson } from "../state/people.js";
import { hrefs } from "../state/route.js";
import { myId } from "../state/session.js";
import { listingError } from "../state/sync.js";
import { errorText } from "../text/error_text.js";
import { fullTime, shortTime, t } from "../text/i18n.js";
import { classes, html, memo, useEffect, useState } from "../ui.js";
import { Avatar } from "../parts/avatar.js";
import { Icon } from "../parts/icon.js";
import { Quiet } from "../parts/quiet.js";

const MINUTE = 60_000;

export function DirectMessages({ openId }) {
  const all = useCell(channels);
  const error = useCell(listingError);
  const [, setMinute] = useState(0);
  useEffect(() => {
    // "14:05" becomes "Yesterday" some time.
    const timer = setInterval(() => setMinute((minute) => minute + 1), 10 * MINUTE);
    return () => clearInterval(timer);
  }, []);
  if (all === null) {
    return error
      ? html`<${Quiet} title=${t("home.failed")} text=${errorText(error)} />`
      : html`<div class="skeleton" aria-busy="true"><i></i><i></i><i></i></div>`;
  }
  const inOrder = [...all.values()].sort((a, b) => b.activeTime - a.activeTime);
  if (inOrder.length === 0) {
    return html`<${Quiet} title=${t("home.empty")} text=${t("home.emptyText")}>
      <a class="button" href=${hrefs.network}>${t("home.find")}</a>
    <//>`;
  }
  return html`<ul class="rows" aria-label=${t("home.messages")}>
    ${inOrder.map(
      (channel) => html`<${Row} key=${channel.friendId} channel=${channel} isOpen=${channel.friendId === openId} />`,
    )}
  </ul>`;
}

const waitingFor = (friendId) => (items) => items.findLast((item) => item.friendId === friendId);

const Row = memo(function Row({ channel, isOpen }) {
  const { friendId, unreadCount, activeTime, state } = channel;
  const person = usePerson(friendId);
  const isClosed = state === "CHANNEL_STATE_CLOSED";
  const name = person?.displayName ?? t("person.unknown");
  return html`<li>
    <a
      class=${classes("row", unreadCount > 0 && "is-unread", isClosed && "is-closed")}
      href=${hrefs.messages(friendId)}
      aria-current=${isOpen ? "true" : undefined}
    >
      <${Avatar} person=${person} id=${friendId} size=${48} />
      <span class="row-words">
        <span class="row-part">
          <span class="row-name"><bdi>${name}</bdi></span>
          <time class="row-time" dateTime=${new Date(activeTime).toISOString()} title=${fullTime(activeTime)}>
            ${shortTime(activeTime)}
          </time>
        </span>
        <span class="row-part">
          <span class="row-line"><${LastLine} channel=${channel} isOpen=${isOpen} /></span>
          ${isClosed && html`<span class="row-closed"><${Icon} name="lock" size=${16} />${t("home.closed")}</span>`}
          ${unreadCount > 0 &&
          html`<span class="count" aria-hidden="true">${unreadCount}</span>
            <span class="visually-hidden">${t("app.unread", { count: unreadCount })}</span>`}
        </span>
      </span>
    </a>
  </li>`;
});

function LastLine({ channel, isOpen }) {
  const { friendId, lastMessage } = channel;
  const isTyping = useCell(typing(friendId));
  const waiting = useCell(outbox, waitingFor(friendId));
  const name = usePerson(friendId)?.displayName ?? t("person.unknown");
  const draft = isOpen ? "" : draftTo(friendId);
  if (isTyping) return html`<span class="row-typing">${t("conversation.typing", { name })}</span>`;
  if (waiting?.state === "refused") {
    return html`<span class="row-alert"><${Icon} name="alert" size=${16} />${t("home.notSent")}</span>`;
  }
  if (waiting) return html`<${Line} icon="clock" label=${t("home.waiting")} message=${waiting} isMine />`;
  if (draft) return html`<span class="row-draft" dir="auto">${t("home.draft", { text: draft })}</span>`;
  if (!lastMessage) return t("home.opened");
  return html`<${Line} message=${lastMessage} isMine=${lastMessage.senderId === myId()} />`;
}

function Line({ message, isMine, icon, label }) {
  if (message.deleteTime) return html`<i>${t("home.deleted")}</i>`;
  const files = message.attachments;
  const isPicture = files.length > 0 && files.every((file) => file.contentType.startsWith("image/"));
  const what = isPicture && files.length === 1 ? t("message.picture") : t("message.files", { count: files.length });
  const text = message.text ? inOneLine(message.text) : what;
  return html`
    ${icon && html`<span role="img" aria-label=${label}><${Icon} name=${icon} size=${16} /></span>`}
    ${files.length > 0 &&
    html`<span role="img" aria-label=${message.text ? what : undefined} aria-hidden=${message.text ? undefined : "true"}>
      <${Icon} name=${isPicture ? "picture" : "clip"} size=${16} />
    </span>`}
    <bdi>${isMine ? t("home.you", { text }) : text}</bdi>
  `;
}

/** What stands in several lines is pulled together; what is only quoted is left out. */
function inOneLine(text) {
  const own = text.replace(/^>.*$/gmu, "").trim() || text;
  return own.replace(/\s+/gu, " ").slice(0, 200);
}
