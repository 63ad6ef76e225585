// What the page says in passing: toasts for results that can't be seen elsewhere, and words for screen readers.
import { cell } from "./cell.js";

const SHOWN_FOR = 5000;
const SAID_FOR = 1000;

/** Toasts: `{id, text, isError}`. */
export const toasts = cell([]);

/** The last thing announced, politely. */
export const announced = cell({ id: 0, text: "" });

let lastId = 0;

/** Show a sentence for a few seconds. */
export function toast(text, { isError = false } = {}) {
  const id = (lastId += 1);
  toasts.set((all) => [...all.slice(-2), { id, text, isError }]);
  setTimeout(() => dismiss(id), isError ? SHOWN_FOR * 2 : SHOWN_FOR);
}

/** Take a toast away. */
export function dismiss(id) {
  toasts.set((all) => all.filter((shown) => shown.id !== id));
}

/** Say something to those who listen to the page. Said once, it goes: it is not to be found when one reads around. */
export function announce(text) {
  const id = (lastId += 1);
  announced.set({ id, text });
  setTimeout(() => announced.set((now) => (now.id === id ? { id, text: "" } : now)), SAID_FOR);
}
