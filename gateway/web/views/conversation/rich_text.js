// Shows a message's text: links can be followed and quotes stand apart. All of it stays text; none is ever read as HTML.
import { html, memo } from "../../ui.js";

const LINK = /https?:\/\/[^\s<>"\u2066-\u2069\u202a-\u202e]+/giu;
/** What more often ends the sentence around a link than the link. */
const TRAILING = /[.,:;!?'"»”’…)\]}]+$/u;
const QUOTE = /^> ?/;

export const RichText = memo(function RichText({ text }) {
  return paragraphs(text).map(({ isQuote, lines }) =>
    isQuote
      ? html`<blockquote class="quote" dir="auto">${linked(lines)}</blockquote>`
      : html`<p class="text" dir="auto">${linked(lines)}</p>`,
  );
});

/** Split a text into stretches of quoted and other lines. */
function paragraphs(text) {
  const found = [];
  for (const line of text.split("\n")) {
    const isQuote = QUOTE.test(line);
    if (found.at(-1)?.isQuote !== isQuote) found.push({ isQuote, lines: [] });
    found.at(-1).lines.push(isQuote ? line.replace(QUOTE, "") : line);
  }
  return found
    .map(({ isQuote, lines }) => ({ isQuote, lines: lines.join("\n").replace(/^\n+|\n+$/g, "") }))
    .filter(({ lines }) => lines !== "");
}

function linked(text) {
  const parts = [];
  let end = 0;
  for (const { 0: found, index } of text.matchAll(LINK)) {
    const address = withoutTrailing(found);
    if (!isWebAddress(address)) continue;
    parts.push(text.slice(end, index));
    parts.push(html`<a class="link" href=${address} target="_blank" rel="noopener noreferrer">${address}</a>`);
    end = index + address.length;
  }
  parts.push(text.slice(end));
  return parts;
}

function withoutTrailing(found) {
  const address = found.replace(TRAILING, "");
  // A bracket that was opened within the address belongs to it: …/Plane_(geometry)
  const isOpen = address.lastIndexOf("(") > address.lastIndexOf(")");
  return isOpen && found[address.length] === ")" ? `${address})` : address;
}

function isWebAddress(text) {
  try {
    return ["http:", "https:"].includes(new URL(text).protocol);
  } catch {
    return false;
  }
}

const EMOJI = (() => {
  try {
    return new RegExp("^(?:\\p{RGI_Emoji}|\\s){1,8}$", "v");
  } catch {
    // A browser without sets in regular expressions: emoji stay as small as other text.
    return /^$/;
  }
})();

/** Whether a text is nothing but a few emoji. */
export const isOnlyEmoji = (text) => text.length < 64 && text.trim() !== "" && EMOJI.test(text);
