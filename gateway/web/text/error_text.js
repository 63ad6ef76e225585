// Says what went wrong in a plain sentence of the page's language, by the error's stable reason.
import { hasSentence, t } from "./i18n.js";

/** Return the sentence for an error, or for a reason alone. */
export function errorText(error) {
  const { reason, code } = typeof error === "string" ? { reason: error, code: error } : error;
  const key = [`error.${reason}`, `error.${code}`].find(hasSentence);
  return t(key ?? "error.unknown");
}

/**
 * Return what is wrong with each field of a form, by the field's name as the page has it.
 *
 * @param {ApiError} error
 * @param {string[]} names the form's fields, in camel case.
 */
export function fieldErrors(error, names) {
  if (error.reason === "HANDLE_TAKEN") return { handle: t("error.HANDLE_TAKEN") };
  const found = {};
  for (const { field = "" } of error.fields ?? []) {
    const last = field.split(".").at(-1).replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
    if (names.includes(last)) found[last] = t(`field.${last}.rule`);
  }
  return found;
}
