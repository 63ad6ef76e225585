// The smallest thing that can hold state: a value that views are drawn anew from when it changes.
import { useLayoutEffect, useState } from "../ui.js";

/** Make a cell that holds a value. Values are replaced, never changed. */
export function cell(initial) {
  let value = initial;
  const listeners = new Set();
  return {
    get: () => value,
    set(next) {
      const changed = typeof next === "function" ? next(value) : next;
      if (changed === value) return;
      value = changed;
      for (const listener of [...listeners]) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Make cells by key, each on first use. */
export function cells(initial) {
  const all = new Map();
  return (key) => {
    if (!all.has(key)) all.set(key, cell(initial));
    return all.get(key);
  };
}

const whole = (value) => value;

/** Return what a view needs of a cell, and draw the view anew when that has changed. */
export function useCell(source, select = whole) {
  const [, redraw] = useState(0);
  const shown = select(source.get());
  useLayoutEffect(() => {
    let last = shown;
    const check = () => {
      const next = select(source.get());
      if (next === last) return;
      last = next;
      redraw((count) => count + 1);
    };
    // It may have changed between drawing and now.
    check();
    return source.subscribe(check);
  });
  return shown;
}
