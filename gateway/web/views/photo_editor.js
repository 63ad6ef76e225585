// Sets, changes and removes one's own photo, showing it at once while it is on its way.
import { send } from "../rpc/call.js";
import { upload } from "../rpc/upload.js";
import { report } from "../state/commands.js";
import { toast } from "../state/notices.js";
import { learn } from "../state/people.js";
import { percent, t } from "../text/i18n.js";
import { html, useEffect, useRef, useState } from "../ui.js";
import { Avatar } from "../parts/avatar.js";
import { Icon } from "../parts/icon.js";

const TYPES = ["image/jpeg", "image/png", "image/webp"];
const LARGEST = 10_000_000;

export function PhotoEditor({ person }) {
  const [preview, setPreview] = useState("");
  const [progress, setProgress] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const input = useRef(null);
  const chooser = useRef(null);
  useEffect(() => () => preview && URL.revokeObjectURL(preview), [preview]);

  const during = async (work, sentence) => {
    setBusy(true);
    try {
      learn((await work()).person);
      toast(t(sentence));
    } catch (error) {
      report(error);
    }
    setBusy(false);
    setPreview("");
    setProgress(null);
  };
  const set = (file) => {
    if (!file) return;
    if (file.size === 0) return report({ reason: "UPLOAD_EMPTY" });
    if (!TYPES.includes(file.type)) return report({ reason: "PHOTO_TYPE_UNKNOWN" });
    if (file.size > LARGEST) return report({ reason: "PHOTO_TOO_LARGE" });
    setPreview(URL.createObjectURL(file));
    const options = { headers: { "Content-Type": file.type }, onProgress: setProgress };
    return during(() => upload("/photo", file, options), "you.photoSet");
  };
  const remove = () => {
    // The keyboard stays in place: this button goes with the photo.
    chooser.current.focus();
    return during(() => send("DELETE", "/photo"), "you.photoRemoved");
  };
  return html`<div class="photo-editor">
    ${preview
      ? html`<img class="avatar is-preview" src=${preview} alt="" width="96" height="96" />`
      : html`<${Avatar} person=${person} size=${96} />`}
    <div class="photo-words">
      <div class="photo-actions">
        <button
          ref=${chooser}
          class="button"
          type="button"
          aria-disabled=${isBusy}
          onClick=${() => !isBusy && input.current.click()}
        >
          <${Icon} name="camera" size=${18} />${t(person.photoId ? "you.changePhoto" : "you.setPhoto")}
        </button>
        ${person.photoId &&
        html`<button class="text-button" type="button" aria-disabled=${isBusy} onClick=${() => !isBusy && remove()}>
          ${t("you.removePhoto")}
        </button>`}
      </div>
      <p class="photo-hint">${progress === null ? t("you.photoHint") : progressText(progress)}</p>
      ${progress !== null && html`<progress class="progress" value=${progress} max="1" aria-label=${t("you.photo")} />`}
    </div>
    <input
      ref=${input}
      type="file"
      hidden
      accept=${TYPES.join(",")}
      aria-label=${t("you.photo")}
      onChange=${(event) => {
        set(event.currentTarget.files[0]);
        event.currentTarget.value = "";
      }}
    />
  </div>`;
}

/** Once all is sent, the server still has to cut the picture. */
const progressText = (part) => t(part < 1 ? "attach.uploading" : "attach.finishing", { percent: percent(part) });
