// Asks before something is done that can't be undone, in the browser's own modal dialog.
import { cell, useCell } from "../state/cell.js";
import { t } from "../text/i18n.js";
import { classes, html, newElementId, useLayoutEffect, useMemo, useRef } from "../ui.js";
import { Icon } from "./icon.js";

const question = cell(null);

/**
 * Ask a question. Resolves with whether it was answered with the action.
 *
 * @param {{title: string, text: string, action: string, isDanger?: boolean}} wording
 */
export function confirmed(wording) {
  question.get()?.answer(false);
  return new Promise((resolve) => {
    const answer = (isYes) => {
      question.set(null);
      resolve(isYes);
    };
    question.set({ ...wording, answer });
  });
}

/** Where questions appear. */
export function Questions() {
  const asked = useCell(question);
  return asked && html`<${Dialog} key=${asked.title} title=${asked.title} onClose=${() => asked.answer(false)}>
    <p class="dialog-text">${asked.text}</p>
    <div class="dialog-actions">
      <button class="button" type="button" onClick=${() => asked.answer(false)}>${t("app.cancel")}</button>
      <button
        class=${classes("button", asked.isDanger ? "is-danger" : "is-primary")}
        type="button"
        onClick=${() => asked.answer(true)}
      >
        ${asked.action}
      </button>
    </div>
  <//>`;
}

/** A modal dialog. Escape and a click beside it close it, and a button if it has no other. */
export function Dialog({ title, onClose, children, isWide = false, hasClose = false }) {
  const element = useRef(null);
  const titleId = useMemo(() => newElementId("dialog"), []);
  useLayoutEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    dialog.showModal();
    return () => {
      dialog.close();
      before?.focus?.();
    };
  }, []);
  return html`<dialog
    ref=${element}
    class=${classes("dialog", isWide && "is-wide")}
    aria-labelledby=${titleId}
    onCancel=${(event) => {
      event.preventDefault();
      onClose();
    }}
    onMouseDown=${(event) => event.target === element.current && onClose()}
  >
    <div class="dialog-body">
      <h2 class="dialog-title" id=${titleId}>${title}</h2>
      ${hasClose &&
      html`<button class="icon-button dialog-close" type="button" aria-label=${t("app.close")} onClick=${onClose}>
        <${Icon} name="close" size=${20} />
      </button>`}
      ${children}
    </div>
  </dialog>`;
}
