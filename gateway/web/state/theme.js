// The chosen theme: as the system has it, light or dark. boot.js applies it before the first paint.
import { cell } from "./cell.js";

const KEY = "paperplane.theme";
const root = document.documentElement;

/** "system", "light" or "dark". */
export const theme = cell(root.dataset.theme ?? "system");

/** Choose a theme, for this browser. */
export function chooseTheme(name) {
  if (name === "system") delete root.dataset.theme;
  else root.dataset.theme = name;
  try {
    if (name === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, name);
  } catch {
    // A browser that keeps nothing: chosen until the page is closed.
  }
  theme.set(name);
}
