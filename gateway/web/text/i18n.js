// Puts the page into words: the language chosen, its sentences, and its dates, numbers and plurals.
import { cell } from "../state/cell.js";
import { en } from "../locales/en.js";
import { fr } from "../locales/fr.js";

const KEY = "paperplane.language";
const SENTENCES = { en, fr };

/** The languages that the page speaks, by their own names. */
export const LANGUAGES = { en: "English", fr: "Français" };

/** The language shown: set at first by boot.js, from what was chosen or what the browser prefers. */
export const language = cell(document.documentElement.lang === "fr" ? "fr" : "en");

/** Choose a language, for this browser. */
export function chooseLanguage(name) {
  document.documentElement.lang = name;
  keep(name);
  formats.clear();
  language.set(name);
}

function keep(name) {
  try {
    localStorage.setItem(KEY, name);
  } catch {
    // A browser that keeps nothing: chosen until the page is closed.
  }
}

/**
 * Return a sentence of the page.
 *
 * @param {string} key as in locales/en.js.
 * @param {object} [values] what the sentence has in braces; `count` chooses its plural.
 */
export function t(key, values = {}) {
  const sentence = SENTENCES[language.get()][key];
  if (sentence === undefined) throw new Error(`no sentence: ${key}`);
  const form = typeof sentence === "string" ? sentence : (sentence[plural(values.count)] ?? sentence.other);
  return form.replace(/\{(\w+)\}/g, (_, name) => written(values[name]));
}

/** Return whether the page has such a sentence. */
export const hasSentence = (key) => key in SENTENCES[language.get()];

/** Signs that turn the direction of text, also of what comes after it. */
const TURNING = /[\u202a-\u202e\u2066-\u2069]/g;
/** Where Unicode has the scripts that are written from right to left, and the mark that acts like one of them. */
const RIGHT_TO_LEFT = /[\u0590-\u08ff\u200f\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

function written(value) {
  if (typeof value === "number") return number(value);
  const text = String(value).replace(TURNING, "");
  // Isolated, or a name written from right to left would turn the sentence around it.
  return RIGHT_TO_LEFT.test(text) ? `\u2068${text}\u2069` : text;
}

const formats = new Map();

function format(kind, options = {}) {
  const key = `${kind}${JSON.stringify(options)}`;
  if (!formats.has(key)) {
    // The browser's own variant of the language knows best whether a day has 12 or 24 hours.
    const locale = navigator.languages.find((name) => name.startsWith(language.get())) ?? language.get();
    formats.set(key, new Intl[kind](locale, options));
  }
  return formats.get(key);
}

const plural = (count) => (count === undefined ? "other" : format("PluralRules").select(count));

export const number = (value) => format("NumberFormat").format(value);

const dayOf = (time) => new Date(time).setHours(0, 0, 0, 0);
const daysAgo = (time) => Math.round((dayOf(Date.now()) - dayOf(time)) / 86_400_000);

/** Whether two times are on one day, here. */
export const isSameDay = (one, other) => dayOf(one) === dayOf(other);

/** "14:05" */
export const clock = (time) => format("DateTimeFormat", { hour: "numeric", minute: "2-digit" }).format(time);

/** "Friday, 21 November 2025 at 14:05" */
export const fullTime = (time) => format("DateTimeFormat", { dateStyle: "full", timeStyle: "short" }).format(time);

/** "Today", "Yesterday", "Monday", "12 March", "12 March 2024" */
export function dayName(time) {
  const ago = daysAgo(time);
  if (ago === 0 || ago === 1) {
    const words = format("RelativeTimeFormat", { numeric: "auto" }).format(-ago, "day");
    return words.charAt(0).toLocaleUpperCase() + words.slice(1);
  }
  if (ago > 1 && ago < 7) return format("DateTimeFormat", { weekday: "long" }).format(time);
  const isThisYear = new Date(time).getFullYear() === new Date().getFullYear();
  const year = isThisYear ? {} : { year: "numeric" };
  return format("DateTimeFormat", { day: "numeric", month: "long", ...year }).format(time);
}

/** "14:05" for today, else as short as a list needs: "Yesterday", "Mon", "12 Mar", "12/03/24" */
export function shortTime(time) {
  const ago = daysAgo(time);
  if (ago <= 0) return clock(time);
  if (ago === 1) return dayName(time);
  if (ago < 7) return format("DateTimeFormat", { weekday: "short" }).format(time);
  if (new Date(time).getFullYear() === new Date().getFullYear()) {
    return format("DateTimeFormat", { day: "numeric", month: "short" }).format(time);
  }
  return format("DateTimeFormat", { dateStyle: "short" }).format(time);
}

/** "3 days ago" */
export function relativeTime(time) {
  const seconds = Math.round((time - Date.now()) / 1000);
  const units = [["day", 86_400], ["hour", 3600], ["minute", 60]];
  const [unit, length] = units.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  const amount = unit === "second" ? 0 : Math.trunc(seconds / length);
  return format("RelativeTimeFormat", { numeric: "auto" }).format(amount, unit);
}

/** "1.2 MB" */
export function fileSize(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
  const step = bytes < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(bytes) / 3));
  const options = { style: "unit", unit: units[step], unitDisplay: step ? "short" : "long", maximumFractionDigits: step > 1 ? 1 : 0 };
  return format("NumberFormat", options).format(bytes / 1000 ** step);
}

/** "45 %", of a part from 0 to 1 */
export const percent = (part) => format("NumberFormat", { style: "percent" }).format(part);

/** "Anna, Bea and Chloé" */
export const listed = (words) => format("ListFormat").format(words);
