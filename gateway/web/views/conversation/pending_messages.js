// What was written to a friend and is not in the channel yet: waiting for the line, or refused with a reason.
import { useCell } from "../../state/cell.js";
import { discard, outbox, retry } from "../../state/outbox.js";
import { errorText } from "../../text/error_text.js";
import { clock, t } from "../../text/i18n.js";
import { classes, html } from "../../ui.js";
import { Icon } from "../../parts/icon.js";
import { Attachments } from "./attachments.js";
import { isOnlyEmoji, RichText } from "./rich_text.js";

export function PendingMessages({ friendId }) {
  const items = useCell(outbox).filter((item) => item.friendId === friendId);
  return html`<div class="block is-latest">
    ${items.map((item) => html`<${Pending} key=${item.id} item=${item} />`)}
  </div>`;
}

function Pending({ item: { id, text, attachments, state, reason, writtenAt } }) {
  const isRefused = state === "refused";
  return html`<article class=${classes("message is-mine is-first is-last", isRefused ? "is-refused" : "is-pending")}>
    <span class="visually-hidden">${t("message.you")}:${" "}</span>
    ${attachments.length > 0 && html`<${Attachments} attachments=${attachments} />`}
    ${text &&
    html`<div class=${classes("bubble", isOnlyEmoji(text) && attachments.length === 0 && "is-emoji")}>
      <${RichText} text=${text} />
    </div>`}
    ${isRefused
      ? html`<div class="refusal" role="alert">
          <p><${Icon} name="alert" size=${16} /><strong>${t("message.refused")}.</strong> ${errorText(reason)}</p>
          <button class="text-button" type="button" onClick=${() => retry(id)}>${t("message.retry")}</button>
          <button class="text-button" type="button" onClick=${() => discard(id)}>${t("message.discard")}</button>
        </div>`
      : html`<p class="message-meta">
          <time dateTime=${new Date(writtenAt).toISOString()}>${clock(writtenAt)}</time>
          <span class="mark">
            <${Icon} name="clock" size=${14} /><span class="visually-hidden">${t("message.pending")}</span>
          </span>
        </p>`}
  </article>`;
}
