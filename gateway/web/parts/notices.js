// Shows toasts, and gives screen readers the words of what has just happened.
import { useCell } from "../state/cell.js";
import { announced, dismiss, toasts } from "../state/notices.js";
import { t } from "../text/i18n.js";
import { classes, html } from "../ui.js";
import { Icon } from "./icon.js";

export function Notices() {
  const shown = useCell(toasts);
  const said = useCell(announced);
  const drawn = (isError) =>
    shown.filter((one) => one.isError === isError).map((one) => html`<${Toast} key=${one.id} ...${one} />`);
  return html`<div class="notices">
    <div class="visually-hidden" aria-live="polite" data-testid="announcements">
      <span key=${said.id}>${said.text}</span>
    </div>
    <div class="toasts">
      <div role="status">${drawn(false)}</div>
      <div role="alert">${drawn(true)}</div>
    </div>
  </div>`;
}

function Toast({ id, text, isError }) {
  return html`<div class=${classes("toast", isError && "is-error")}>
    <${Icon} name=${isError ? "alert" : "check"} size=${18} />
    <span>${text}</span>
    <button class="icon-button is-small" type="button" aria-label=${t("app.close")} onClick=${() => dismiss(id)}>
      <${Icon} name="close" size=${16} />
    </button>
  </div>`;
}
