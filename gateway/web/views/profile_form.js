// The three fields of a profile, for those who enter the network and those who change their entry.
import { report } from "../state/commands.js";
import { errorText, fieldErrors } from "../text/error_text.js";
import { t } from "../text/i18n.js";
import { html, useRef, useState } from "../ui.js";
import { Field } from "../parts/field.js";

const NAMES = ["displayName", "handle", "headline"];
const RULES = {
  displayName: (value) => value.length <= 80 && /[^\s\p{Z}\p{C}]/u.test(value),
  handle: (value) => /^[a-z0-9_]{3,30}$/.test(value),
  headline: (value) => [...value].length <= 120,
};

/**
 * @param {object} properties
 * @param {{displayName: string, handle: string, headline: string}} properties.initial
 * @param {string} properties.action the words on the button.
 * @param {(values: object) => Promise<void>} properties.onSave
 * @param {() => void} [properties.onCancel]
 */
export function ProfileForm({ initial, action, onSave, onCancel }) {
  const [values, setValues] = useState(initial);
  const [errors, setErrors] = useState({});
  const [isBusy, setBusy] = useState(false);
  const form = useRef(null);

  const refuse = (found) => {
    setErrors(found);
    const first = NAMES.findIndex((name) => found[name]);
    form.current.querySelectorAll(".input")[first]?.focus();
  };
  const save = async (event) => {
    event.preventDefault();
    const trimmed = Object.fromEntries(NAMES.map((name) => [name, values[name].trim()]));
    const broken = NAMES.filter((name) => !RULES[name](trimmed[name]));
    if (broken.length > 0) {
      refuse(Object.fromEntries(broken.map((name) => [name, t(`field.${name}.rule`)])));
      return;
    }
    setBusy(true);
    try {
      await onSave(trimmed);
    } catch (error) {
      const found = fieldErrors(error, NAMES);
      if (Object.keys(found).length > 0) refuse(found);
      else if (error.isSignedOut) report(error);
      else setErrors({ form: errorText(error) });
    }
    setBusy(false);
  };
  const field = (name, properties) => html`<${Field}
    label=${t(`field.${name}`)}
    hint=${t(`field.${name}.hint`)}
    error=${errors[name]}
    value=${values[name]}
    onChange=${(value) => {
      setValues((all) => ({ ...all, [name]: value }));
      setErrors((all) => ({ ...all, [name]: "", form: "" }));
    }}
    ...${properties}
  />`;

  return html`<form class="form" ref=${form} onSubmit=${save} noValidate>
    ${field("displayName", { autocomplete: "name", dir: "auto", maxLength: 80 })}
    ${field("handle", { autocomplete: "off", autocapitalize: "none", spellcheck: false, prefix: "@", maxLength: 30 })}
    ${field("headline", { isOptional: true, dir: "auto", max: 120, maxLength: 120 })}
    ${errors.form && html`<p class="form-error" role="alert">${errors.form}</p>`}
    <div class="form-actions">
      ${onCancel && html`<button class="button" type="button" onClick=${onCancel}>${t("app.cancel")}</button>`}
      <button class="button is-primary" type="submit" disabled=${isBusy}>${action}</button>
    </div>
  </form>`;
}
