// What stands where there is nothing yet: a picture, what is missing, and the way on.
import { html } from "../ui.js";

/** @param {{title: string, text?: string, level?: number}} properties `children` are the ways on. */
export function Empty({ title, text, children, level = 2 }) {
  return html`<div class="empty">
    <${FlyingPlane} />
    <${`h${level}`} class="empty-title">${title}<//>
    ${text && html`<p class="empty-text">${text}</p>`} ${children}
  </div>`;
}

/** A paper airplane and the way it came. */
export function FlyingPlane() {
  return html`<svg class="flying-plane" viewBox="0 0 160 96" width="160" height="96" aria-hidden="true">
    <path class="flying-trail" d="M4 82c24 10 46 4 54-10s-4-26-14-20-2 26 18 26 34-14 44-28" />
    <path class="flying-wing" d="M152 8 96 31.500a2 2 0 0 0 0 3.700l17.500 7.300L152 8Z" />
    <path class="flying-wing is-near" d="M152 8 113.500 42.500l8 18a2 2 0 0 0 3.700-.1L152 8Z" />
    <path class="flying-wing is-fold" d="m152 8-38.500 34.500 2.200 14.500 6-8.200L152 8Z" />
  </svg>`;
}
