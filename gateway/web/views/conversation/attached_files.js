// The files that go with the next message, above the line where one writes: how far each is, and what is wrong with it.
import { useCell } from "../../state/cell.js";
import { attaching, detach, dismissLost, retryUpload } from "../../state/attaching.js";
import { errorText } from "../../text/error_text.js";
import { fileSize, listed, percent, t } from "../../text/i18n.js";
import { classes, html, memo, useState } from "../../ui.js";
import { FileIcon } from "../../parts/file_icon.js";
import { Icon } from "../../parts/icon.js";

export function AttachedFiles({ friendId }) {
  const { files, lost } = useCell(attaching(friendId));
  return html`
    ${lost.length > 0 &&
    html`<p class="lost-files" role="status">
      <${Icon} name="alert" size=${18} /><span>${t("attach.lost", { count: lost.length, names: listed(lost) })}</span>
      <button
        class="icon-button is-small"
        type="button"
        aria-label=${t("app.close")}
        onClick=${() => dismissLost(friendId)}
      >
        <${Icon} name="close" size=${16} />
      </button>
    </p>`}
    ${files.length > 0 &&
    html`<ul class="attached" aria-label=${t("attach.list")}>
      ${files.map((file) => html`<${AttachedFile} key=${file.id} file=${file} friendId=${friendId} />`)}
    </ul>`}
  `;
}

const AttachedFile = memo(function AttachedFile({ file, friendId }) {
  const { id, name, state, part, error } = file;
  const remove = (event) => {
    // The next place of the keyboard is found before this one goes.
    event.currentTarget.closest("form").querySelector("textarea").focus();
    detach(friendId, id);
  };
  return html`<li class=${classes("attached-file", `is-${state}`)}>
    <${Thumbnail} file=${file} />
    <div class="attached-words">
      <p class="attached-name" title=${name}><bdi>${name}</bdi></p>
      <p class="attached-note" role=${error ? "alert" : undefined}>
        ${error ? errorText(error) : noteOf(file)}
        ${canRetry(file) &&
        html`${" "}<button class="text-button" type="button" onClick=${() => retryUpload(friendId, id)}>
            ${t("app.retry")}<span class="visually-hidden"> ${name}</span>
          </button>`}
      </p>
    </div>
    <button
      class="icon-button is-small"
      type="button"
      aria-label=${t(state === "uploading" ? "attach.cancel" : "attach.remove", { name })}
      title=${t(state === "uploading" ? "attach.cancel" : "attach.remove", { name })}
      onClick=${remove}
    >
      <${Icon} name="close" size=${16} />
    </button>
    ${state === "uploading" &&
    html`<progress class="progress" value=${part} max="1" aria-label=${t("attach.progress", { name })} />`}
  </li>`;
});

function noteOf({ state, part, size }) {
  if (state === "uploading" && part > 0) return t(part < 1 ? "attach.uploading" : "attach.finishing", { percent: percent(part) });
  if (state === "waiting") return t("attach.waiting");
  return fileSize(size);
}

/** Errors after which the same file may well be taken. */
const PASSING = ["UPLOAD_BROKEN", "UPLOAD_INCOMPLETE", "TOO_MANY_UPLOADS"];

const canRetry = ({ error, file }) => error && file && (error.isPassing || PASSING.includes(error.reason));

function Thumbnail({ file: { url, type, name } }) {
  const [isBroken, setBroken] = useState(false);
  return url && !isBroken
    ? html`<img class="thumbnail" src=${url} alt="" onError=${() => setBroken(true)} />`
    : html`<${FileIcon} contentType=${type} fileName=${name} />`;
}
