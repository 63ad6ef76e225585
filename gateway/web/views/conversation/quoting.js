// Makes the quote that a reply begins with: lines after "> ", as people know them from mail.

const MOST_LINES = 4;
const LONGEST = 280;

/** Return a draft with a message quoted before it or, if it quotes already, after it. */
export function withQuote(draft, message) {
  const quote = quoteOf(message);
  if (/^> /mu.test(draft)) return `${draft.trimEnd()}\n\n${quote}\n`;
  return `${quote}\n${draft.trimStart()}`;
}

function quoteOf({ text, attachments }) {
  // What the message itself quotes is known already.
  const own = text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith(">"));
  const whole = own.length > 0 ? own : [text.replace(/^> ?/gmu, "")];
  const files = attachments.map((file) => file.fileName).join(", ");
  const lines = text ? whole.join("\n") : files;
  const short = [...lines.split("\n").slice(0, MOST_LINES).join("\n")].slice(0, LONGEST).join("");
  return (short === lines ? short : `${short.trimEnd()}…`).replace(/^/gmu, "> ");
}
