// A choice between a few things of which one holds, as radio buttons side by side.
import { html, newElementId, useMemo } from "../ui.js";
import { Icon } from "./icon.js";

/**
 * @param {object} properties
 * @param {string} properties.label
 * @param {{value: string, label: string, icon?: string, lang?: string}[]} properties.options
 * @param {string} properties.value
 * @param {(value: string) => void} properties.onChange
 */
export function Choice({ label, options, value, onChange }) {
  const name = useMemo(() => newElementId("choice"), []);
  return html`<fieldset class="choice">
    <legend class="choice-label">${label}</legend>
    <div class="choice-options">
      ${options.map(
        (option) => html`<label class="choice-option" key=${option.value} lang=${option.lang}>
          <input
            type="radio"
            name=${name}
            value=${option.value}
            checked=${option.value === value}
            onChange=${() => onChange(option.value)}
          />
          <span>${option.icon && html`<${Icon} name=${option.icon} size=${18} />`} ${option.label}</span>
        </label>`,
      )}
    </div>
  </fieldset>`;
}
