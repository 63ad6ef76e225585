// Shows the pictures of a message large, one after the other, over the page.
import { cell, useCell } from "../state/cell.js";
import { fileSize, t } from "../text/i18n.js";
import { classes, html, useLayoutEffect, useRef, useState } from "../ui.js";
import { Icon } from "./icon.js";

const shown = cell(null);

/** Show pictures, beginning with one of them. */
export const showPictures = (pictures, index) => shown.set({ pictures, index });

/** Return where a file is served. */
export const pathOf = ({ attachmentId }) => `/attachments/${encodeURIComponent(attachmentId)}`;

/** Where pictures appear. */
export function Lightbox() {
  const now = useCell(shown);
  return now && html`<${Open} ...${now} />`;
}

function Open({ pictures, index }) {
  const element = useRef(null);
  const picture = pictures[index];
  const { fileName: name, sizeBytes } = picture;
  const go = (place) => place >= 0 && place < pictures.length && shown.set({ pictures, index: place });
  const close = () => shown.set(null);
  useLayoutEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    dialog.showModal();
    return () => {
      dialog.close();
      before?.focus?.();
    };
  }, []);
  const onKeyDown = (event) => {
    const place = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: pictures.length - 1 }[event.key];
    if (place === undefined) return;
    event.preventDefault();
    go(place);
  };
  const position = t("picture.position", { number: index + 1, count: pictures.length });
  const arrow = (key, icon, place) => html`<button
    class="lightbox-button lightbox-${icon}"
    type="button"
    aria-label=${t(key)}
    title=${t(key)}
    aria-disabled=${place < 0 || place >= pictures.length ? "true" : undefined}
    onClick=${() => go(place)}
  >
    <${Icon} name=${icon} size=${28} />
  </button>`;
  return html`<dialog
    ref=${element}
    class="lightbox"
    aria-label=${t("picture.shown")}
    onKeyDown=${onKeyDown}
    onCancel=${(event) => {
      event.preventDefault();
      close();
    }}
    onClick=${(event) => event.target.classList.contains("lightbox-place") && close()}
  >
    <header class="lightbox-head">
      <p class="lightbox-words" aria-live="polite">
        <span class="lightbox-name"><bdi>${name}</bdi></span>
        <span class="lightbox-detail">${pictures.length > 1 && `${position} · `}${fileSize(sizeBytes)}</span>
      </p>
      <a class="lightbox-button" href=${pathOf(picture)} download=${name} aria-label=${t("file.download")} title=${t("file.download")}>
        <${Icon} name="download" size=${22} />
      </a>
      <button class="lightbox-button" type="button" aria-label=${t("app.close")} title=${t("app.close")} autofocus onClick=${close}>
        <${Icon} name="close" size=${22} />
      </button>
    </header>
    <div class="lightbox-place">
      <${Large} key=${picture.attachmentId} picture=${picture} />
    </div>
    ${pictures.length > 1 && html`${arrow("picture.previous", "back", index - 1)} ${arrow("picture.next", "forward", index + 1)}`}
  </dialog>`;
}

/** The preview stands in, at the size of the picture, until that has come. */
function Large({ picture }) {
  const [state, setState] = useState("loading");
  const { fileName, width, height } = picture;
  const path = pathOf(picture);
  const box = {
    width: `min(${width}px, 100cqw, ${width / height} * 100cqh)`,
    aspectRatio: `${width} / ${height}`,
  };
  return html`<div class="lightbox-picture" style=${box}>
      <img src=${`${path}?preview=1`} alt="" hidden=${state === "ready"} />
      <img
        class=${classes(state !== "ready" && "is-coming")}
        src=${path}
        alt=${fileName}
        onLoad=${() => setState("ready")}
        onError=${() => setState("failed")}
      />
    </div>
    ${state === "failed" && html`<p class="lightbox-failed" role="alert">${t("picture.failed")}</p>`}`;
}
