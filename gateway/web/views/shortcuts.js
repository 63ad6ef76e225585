// Says what the keyboard can do: opened by "?" and by a button in one's own place.
import { cell, useCell } from "../state/cell.js";
import { t } from "../text/i18n.js";
import { html, useEffect } from "../ui.js";
import { Dialog } from "../parts/dialog.js";

const isShown = cell(false);

/** Show the help. */
export const showShortcuts = () => isShown.set(true);

const close = () => isShown.set(false);

/** Signs and letters stand for themselves; keys with a name are named in the page's language. */
const KEYS = {
  everywhere: [["help", "?"], ["search", "/"]],
  writing: [
    ["send", "keys.enter"],
    ["newLine", "keys.shift", "keys.enter"],
    ["editLast", "↑"],
    ["cancel", "keys.escape"],
    ["toMessages", "keys.alt", "↑"],
  ],
  messages: [
    ["move", "↑", "↓"],
    ["reply", "R"],
    ["edit", "E"],
    ["delete", "keys.del"],
    ["toWriting", "keys.escape"],
  ],
  pictures: [["turn", "←", "→"], ["close", "keys.escape"]],
};

export function Shortcuts() {
  const isOpen = useCell(isShown);
  useEffect(() => {
    const open = (event) => {
      if (event.key !== "?" || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target.closest?.("input, textarea, [contenteditable], dialog")) return;
      event.preventDefault();
      showShortcuts();
    };
    document.addEventListener("keydown", open);
    return () => document.removeEventListener("keydown", open);
  }, []);
  return isOpen && html`<${Dialog} title=${t("keys.title")} onClose=${close} isWide hasClose>
    <div class="keys">
      ${Object.entries(KEYS).map(
        ([place, rows]) => html`<section key=${place} aria-labelledby=${`keys-${place}`}>
          <h3 class="section-title" id=${`keys-${place}`}>${t(`keys.${place}`)}</h3>
          <dl>
            ${rows.map(
              ([what, ...keys]) => html`<div class="keys-row" key=${what}>
                <dt>${t(`keys.${what}`)}</dt>
                <dd>${keys.map((key) => html`<kbd>${key.startsWith("keys.") ? t(key) : key}</kbd>`)}</dd>
              </div>`,
            )}
          </dl>
        </section>`,
      )}
    </div>
  <//>`;
}
