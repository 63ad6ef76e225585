// The files of a message: pictures side by side, all else as rows that open or download.
import { useCell } from "../../state/cell.js";
import { connection } from "../../state/sync.js";
import { fileSize, t } from "../../text/i18n.js";
import { classes, html, useEffect, useState } from "../../ui.js";
import { FileIcon, kindName } from "../../parts/file_icon.js";
import { Icon } from "../../parts/icon.js";
import { pathOf, showPictures } from "../../parts/lightbox.js";

const WIDEST = 320;
const HIGHEST = 320;
const SMALLEST = 64;

const isShown = ({ hasPreview, width, height }) => hasPreview && width > 0 && height > 0;

export function Attachments({ attachments }) {
  const pictures = attachments.filter(isShown);
  const others = attachments.filter((file) => !isShown(file));
  const isSingle = pictures.length === 1;
  return html`<div class="files">
    ${pictures.length > 0 &&
    html`<ul class=${classes("pictures", isSingle && "is-single")}>
      ${pictures.map(
        (file, index) => html`<li key=${file.attachmentId} class=${spanOf(index, pictures.length)}>
          <${Picture} file=${file} isSingle=${isSingle} onOpen=${() => showPictures(pictures, index)} />
        </li>`,
      )}
    </ul>`}
    ${others.length > 0 &&
    html`<ul class="file-rows">
      ${others.map((file) => html`<li key=${file.attachmentId}><${File} file=${file} /></li>`)}
    </ul>`}
  </div>`;
}

/** Three in a row; the first row has fewer and larger ones, so that the last is never broken. */
function spanOf(index, count) {
  if (count === 1 || count === 4) return count === 4 ? "is-half" : "";
  if (count % 3 === 1 && index === 0) return "is-whole";
  return count % 3 === 2 && index < 2 ? "is-half" : "";
}

/** Its place is known before it has come, so that nothing moves when it does. */
function Picture({ file, isSingle, onOpen }) {
  const [hasFailed, setFailed] = useState(false);
  const line = useCell(connection);
  useEffect(() => {
    if (line === "live") setFailed(false);
  }, [line]);
  const scale = Math.min(1, WIDEST / file.width, HIGHEST / file.height);
  const size = isSingle && {
    width: Math.max(SMALLEST, Math.round(file.width * scale)),
    height: Math.max(SMALLEST, Math.round(file.height * scale)),
  };
  return html`<button
    class="picture"
    type="button"
    style=${isSingle && { width: `${size.width}px`, aspectRatio: `${size.width} / ${size.height}` }}
    aria-label=${t("picture.open", { name: file.fileName })}
    onClick=${hasFailed ? () => setFailed(false) : onOpen}
  >
    ${hasFailed
      ? html`<span class="picture-failed"><${Icon} name="picture" size=${28} />${t("picture.failed")}</span>`
      : html`<img
          src=${`${pathOf(file)}?preview=1`}
          alt=${file.fileName}
          loading="lazy"
          decoding="async"
          onError=${() => setFailed(true)}
        />`}
  </button>`;
}

function File({ file }) {
  const { fileName, contentType, sizeBytes } = file;
  const isOpened = contentType === "application/pdf";
  const kind = kindName(fileName);
  return html`<a
    class="file"
    href=${pathOf(file)}
    ...${isOpened ? { target: "_blank", rel: "noopener" } : { download: fileName }}
  >
    <${FileIcon} contentType=${contentType} fileName=${fileName} />
    <span class="file-words">
      <span class="file-name"><bdi>${fileName}</bdi></span>
      <span class="file-size">${kind && html`<bdi>${kind}</bdi> · `}${fileSize(sizeBytes)}</span>
    </span>
    <span class="file-sign">
      <${Icon} name=${isOpened ? "forward" : "download"} size=${18} />
      <span class="visually-hidden">${t(isOpened ? "file.open" : "file.download")}</span>
    </span>
  </a>`;
}
