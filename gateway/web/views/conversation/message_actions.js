// What one can do about a message: reply to it and, if it is one's own, edit or delete it.
import { report } from "../../state/commands.js";
import { deleteMessage } from "../../state/messages.js";
import { myId } from "../../state/session.js";
import { t } from "../../text/i18n.js";
import { html } from "../../ui.js";
import { confirmed } from "../../parts/dialog.js";
import { Icon } from "../../parts/icon.js";

/** Return the names of what can be done: in a closed channel nothing passes, but what is one's own can be erased. */
export function actionsFor({ senderId, deleteTime }, isOpen) {
  if (deleteTime) return [];
  const isMine = senderId === myId();
  return [isOpen && "reply", isOpen && isMine && "edit", isMine && "delete"].filter(Boolean);
}

/**
 * Do it.
 *
 * @param {"reply" | "edit" | "delete"} name
 * @param {object} message
 * @param {object} composer as in composer.js; null where the channel is closed.
 */
export function act(name, message, composer) {
  if (name === "delete") return askToDelete(message);
  return composer?.[name](message);
}

async function askToDelete(message) {
  const wording = { title: t("message.deleteTitle"), text: t("message.deleteText"), action: t("message.delete") };
  if (await confirmed({ ...wording, isDanger: true })) await deleteMessage(message).catch(report);
}

const ICONS = { reply: "reply", edit: "pencil", delete: "bin" };

/** The buttons; what they do is seen to by the list, which hears of every click (message_list.js). */
export function MessageActions({ names }) {
  return html`<div class="actions" role="group" aria-label=${t("message.actions")}>
    ${names.map(
      (name) => html`<button
        class="action"
        key=${name}
        type="button"
        data-action=${name}
        aria-label=${t(`message.${name}Label`)}
        title=${t(`message.${name}Label`)}
      >
        <${Icon} name=${ICONS[name]} size=${18} /><span class="action-word">${t(`message.${name}`)}</span>
      </button>`,
    )}
  </div>`;
}
