// A few quiet words where a list is empty or can't be shown, for places too narrow for a picture.
import { html } from "../ui.js";

export function Quiet({ title, text, children }) {
  return html`<div class="quiet">
    <p class="quiet-title">${title}</p>
    ${text && html`<p class="quiet-text">${text}</p>`} ${children}
  </div>`;
}
