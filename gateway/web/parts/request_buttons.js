// The answers to a friend request, named as the product's guide names them, wherever a request is shown.
import { useCell } from "../state/cell.js";
import { acceptRequest, cancelRequest, ignoreRequest, underway } from "../state/commands.js";
import { t } from "../text/i18n.js";
import { html } from "../ui.js";

/**
 * @param {object} properties
 * @param {object} properties.request
 * @param {string} properties.personId the other one.
 * @param {string} properties.name the other one's.
 * @param {"received" | "sent" | "ignored"} properties.box
 */
export function RequestButtons({ request, personId, name, box }) {
  const isBusy = useCell(underway(personId)) !== "";
  const button = (key, label, work, kind = "") => html`<button
    class=${`button ${kind}`}
    type="button"
    disabled=${isBusy}
    onClick=${() => work(personId, request.requestId)}
  >
    ${t(key)}<span class="visually-hidden"> ${label}</span>
  </button>`;
  if (box === "sent") return button("profile.cancel", t("requests.to", { name }), cancelRequest);
  return html`
    ${button("profile.accept", t("requests.from", { name }), acceptRequest, "is-primary")}
    ${box === "received" && button("profile.ignore", t("requests.from", { name }), ignoreRequest)}
  `;
}
