// Shows of what kind a file is, and says it in a word.
import { html } from "../ui.js";
import { Icon } from "./icon.js";

const KINDS = [
  { icon: "picture", types: /^image\//, endings: /^(?:jpe?g|png|gif|webp|avif|heic|svg|tiff?|bmp)$/ },
  { icon: "audio", types: /^audio\//, endings: /^(?:mp3|m4a|ogg|opus|wav|flac)$/ },
  { icon: "video", types: /^video\//, endings: /^(?:mp4|mov|webm|mkv|avi)$/ },
  { icon: "pdf", types: /^application\/pdf$/, endings: /^pdf$/ },
  { icon: "archive", types: /zip|compressed|x-tar|x-7z/, endings: /^(?:zip|gz|tgz|tar|7z|rar|xz|bz2)$/ },
  { icon: "sheet", types: /csv|spreadsheet|ms-excel/, endings: /^(?:csv|xlsx?|ods)$/ },
  { icon: "text", types: /^text\/|msword|wordprocessing|opendocument\.text/, endings: /^(?:txt|md|docx?|odt|rtf)$/ },
];

const endingOf = (fileName) => /\.([\p{L}\p{N}]{1,5})$/u.exec(fileName)?.[1] ?? "";

/** Return what people call files of this kind by: the ending of the name, or nothing. */
export const kindName = (fileName) => endingOf(fileName).toUpperCase();

export function FileIcon({ contentType, fileName }) {
  const ending = endingOf(fileName).toLowerCase();
  const isGeneral = contentType === "" || contentType === "application/octet-stream";
  const kind = KINDS.find(({ types, endings }) => (isGeneral ? endings.test(ending) : types.test(contentType)));
  return html`<span class="file-icon" data-kind=${kind?.icon ?? "file"}>
    <${Icon} name=${kind?.icon ?? "file"} size=${22} />
  </span>`;
}
