// A person's photo or, without one, their initials on a colour of their own.
import { refreshPerson } from "../state/people.js";
import { html, memo, useState } from "../ui.js";

/** Photos come in two sizes; the larger one where a screen would show the smaller one blurred. */
const SMALL = 48;

export const Avatar = memo(function Avatar({ person, id = person?.personId ?? "", size = 44 }) {
  const [failed, setFailed] = useState("");
  const photoId = person?.photoId;
  const onError = () => {
    setFailed(photoId);
    // Photos change without an event: perhaps there is another one by now. If not, the initials stand for it.
    refreshPerson(id);
  };
  const box = { width: `${size}px`, height: `${size}px`, fontSize: `${Math.round(size * 0.38)}px` };
  if (photoId && photoId !== failed) {
    const path = `/photos/${encodeURIComponent(photoId)}/${size > SMALL ? 512 : 96}`;
    return html`<img
      class="avatar"
      src=${path}
      alt=""
      width=${size}
      height=${size}
      style=${box}
      decoding="async"
      onError=${onError}
    />`;
  }
  return html`<span class="avatar" aria-hidden="true" style=${{ ...box, "--hue": hueOf(id) }}>
    ${initialsOf(person?.displayName ?? "")}
  </span>`;
});

/** A hue, in degrees, that is always the same for an id and one of eighteen that are well told apart. */
function hueOf(id) {
  let hash = 0x811c9dc5;
  for (const letter of id) hash = Math.imul(hash ^ letter.codePointAt(0), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return ((hash >>> 13) % 18) * 20;
}

const segmenter = Intl.Segmenter ? new Intl.Segmenter() : null;

function firstLetter(word) {
  const [first] = segmenter ? segmenter.segment(word) : [{ segment: [...word][0] ?? "" }];
  return first?.segment.toLocaleUpperCase() ?? "";
}

/** The first letters of the first and the last word, whatever a letter is in their script; an emoji stands alone. */
function initialsOf(name) {
  const words = name.split(/\s+/u).map((word) => word.replace(/^[\p{P}\p{S}]+(?=[\p{L}\p{N}])/u, ""));
  const named = words.filter((word) => /^[\p{L}\p{N}]/u.test(word));
  if (named.length === 0) return firstLetter(name.trim());
  const letters = [named[0], ...(named.length > 1 ? [named.at(-1)] : [])].map(firstLetter);
  // Joining scripts (Arabic, Devanagari and others) would tie two initials into one word.
  return /^\p{Script=Latin}|^\p{Script=Cyrillic}|^\p{Script=Greek}|^\p{N}/u.test(letters[0]) ? letters.join("") : letters[0];
}
