// A text field with its label, its hint, and what is wrong with it.
import { t } from "../text/i18n.js";
import { classes, html, newElementId, useMemo } from "../ui.js";

/**
 * @param {object} properties
 * @param {string} properties.label
 * @param {string} [properties.hint] shown below as long as there is no error.
 * @param {string} [properties.error]
 * @param {number} [properties.max] characters; how many are left is said when few are.
 * @param {(value: string) => void} properties.onChange
 */
export function Field({ label, hint, error, value, max, onChange, rows, prefix, isOptional, inputRef, ...rest }) {
  const id = useMemo(() => newElementId("field"), []);
  const left = max === undefined ? Infinity : max - [...value].length;
  const note = error || (left <= 20 ? t("field.left", { count: left }) : hint);
  const properties = {
    ...rest,
    id,
    value,
    ref: inputRef,
    class: "input",
    "aria-invalid": error ? "true" : undefined,
    "aria-describedby": note ? `${id}-note` : undefined,
    onInput: (event) => onChange(event.currentTarget.value),
  };
  return html`<div class=${classes("field", error && "is-wrong")}>
    <label class="field-label" for=${id}>
      ${label} ${isOptional && html`<span class="field-optional">${t("field.optional")}</span>`}
    </label>
    <div class="field-box">
      ${prefix && html`<span class="field-prefix" aria-hidden="true">${prefix}</span>`}
      ${rows ? html`<textarea rows=${rows} dir="auto" ...${properties}></textarea>` : html`<input type="text" ...${properties} />`}
    </div>
    ${note && html`<p class="field-note" id=${`${id}-note`}>${note}</p>`}
  </div>`;
}
