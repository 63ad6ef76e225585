// A block of messages, drawn apart from the others, so that ten thousand messages cost no more than those that change.
import { useCell } from "../../state/cell.js";
import { myId } from "../../state/session.js";
import { clock, dayName, fullTime, isSameDay, t } from "../../text/i18n.js";
import { classes, html, memo } from "../../ui.js";
import { Icon } from "../../parts/icon.js";
import { Attachments } from "./attachments.js";
import { actionsFor, MessageActions } from "./message_actions.js";
import { isOnlyEmoji, RichText } from "./rich_text.js";

/** Messages of one person that follow each other within this time look like one. */
const TOGETHER = 5 * 60_000;

/**
 * @param {object} properties
 * @param {object[]} properties.messages in order.
 * @param {object} [properties.before] the message before the first of them.
 * @param {string} properties.name the friend's.
 * @param {number} properties.readSeq up to where the friend has read, as far as it concerns these.
 * @param {number} properties.newFrom the first that was unread on arrival, if it is among these.
 * @param {boolean} properties.isLatest whether it is near the end, where things are drawn even when out of sight.
 * @param {object} properties.places where keyboard and pointer are, as in message_keys.js.
 * @param {boolean} properties.isOpen whether the channel is.
 */
export const MessageBlock = memo(function MessageBlock(properties) {
  const { messages, before, name, readSeq, newFrom, isLatest, places, isOpen } = properties;
  const hasPlace = (seq) => (messages[0].seq <= seq && seq <= messages.at(-1).seq ? seq : 0);
  const current = useCell(places, (now) => hasPlace(now.current));
  const pointed = useCell(places, (now) => hasPlace(now.pointed));
  const rows = messages.flatMap((message, index) => {
    const previous = index > 0 ? messages[index - 1] : before;
    const next = messages[index + 1];
    const isNewDay = !previous || !isSameDay(previous.createTime, message.createTime);
    const isNew = message.seq === newFrom;
    return html`
      ${isNewDay && html`<${Day} key=${`day-${message.seq}`} time=${message.createTime} />`}
      ${isNew && html`<p class="talk-new" key="new"><span>${t("conversation.new")}</span></p>`}
      <${Message}
        key=${message.seq}
        message=${message}
        name=${name}
        isFirst=${isNewDay || isNew || !belongTogether(previous, message)}
        isLast=${!next || next.seq === newFrom || !belongTogether(message, next)}
        isRead=${message.seq <= readSeq}
        isCurrent=${message.seq === current}
        isPointed=${message.seq === pointed}
        isOpen=${isOpen}
      />
    `;
  });
  return html`<div class=${classes("block", isLatest && "is-latest")}>${rows}</div>`;
});

function belongTogether(one, other) {
  return (
    one.senderId === other.senderId &&
    other.createTime - one.createTime < TOGETHER &&
    isSameDay(one.createTime, other.createTime)
  );
}

function Day({ time }) {
  return html`<h2 class="talk-day"><time dateTime=${new Date(time).toISOString()}>${dayName(time)}</time></h2>`;
}

const Message = memo(function Message(properties) {
  const { message, name, isFirst, isLast, isRead, isCurrent, isPointed, isOpen } = properties;
  const isMine = message.senderId === myId();
  const { seq, text, createTime, editTime, deleteTime, attachments } = message;
  const hasMeta = isLast || editTime > 0;
  const actions = isCurrent || isPointed ? actionsFor(message, isOpen) : [];
  return html`<article
    class=${classes(
      "message",
      isMine && "is-mine",
      isFirst && "is-first",
      isLast && "is-last",
      hasMeta && "has-meta",
      attachments.length > 0 && "has-files",
      isPointed && "is-pointed",
    )}
    data-seq=${seq}
    tabindex=${isCurrent ? 0 : -1}
    aria-label=${isCurrent ? described(message, isMine ? t("message.you") : name) : undefined}
  >
    <span class="visually-hidden">${isMine ? t("message.you") : name}:${" "}</span>
    <div class="message-body">
      ${deleteTime
        ? html`<p class="tombstone">
            <${Icon} name="block" size=${16} />${t(isMine ? "message.deletedMine" : "message.deletedTheirs")}
          </p>`
        : html`
            ${attachments.length > 0 && html`<${Attachments} attachments=${attachments} />`}
            ${text &&
            html`<div class=${classes("bubble", isOnlyEmoji(text) && attachments.length === 0 && "is-emoji")} title=${fullTime(createTime)}>
              <${RichText} text=${text} />
            </div>`}
          `}
      ${actions.length > 0 && html`<${MessageActions} names=${actions} />`}
    </div>
    <p class=${classes("message-meta", !hasMeta && "visually-hidden")}>
      ${editTime > 0 && !deleteTime && html`<span>${t("message.edited")}</span>`}
      <time dateTime=${new Date(createTime).toISOString()}>${clock(createTime)}</time>
      ${isMine && !deleteTime && html`<${Mark} isRead=${isRead} />`}
    </p>
  </article>`;
});

/** A message as it is said to those who come to it by keyboard and don't see it. */
function described({ text, attachments, createTime, deleteTime }, who) {
  const files = attachments.map((file) => file.fileName).join(", ");
  const words = deleteTime ? t("home.deleted") : [text, files].filter(Boolean).join(", ");
  return `${t("message.announced", { name: who, text: words })}, ${clock(createTime)}`;
}

function Mark({ isRead }) {
  return html`<span class=${classes("mark", isRead && "is-read")}>
    <${Icon} name=${isRead ? "checks" : "check"} size=${16} />
    <span class="visually-hidden">${t(isRead ? "message.read" : "message.sent")}</span>
  </span>`;
}
