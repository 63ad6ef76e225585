// Where one writes. Its text lives in the text area alone, so that a key press redraws nothing else.
import { attach, attaching, disarm, hasFailed, MOST_FILES, sendWithFiles } from "../../state/attaching.js";
import { useCell } from "../../state/cell.js";
import { tellTyping } from "../../state/channels.js";
import { lastOwnMessage } from "../../state/conversations.js";
import { draftTo, keepDraft } from "../../state/drafts.js";
import { editMessage } from "../../state/messages.js";
import { announce } from "../../state/notices.js";
import { write } from "../../state/outbox.js";
import { errorText } from "../../text/error_text.js";
import { t } from "../../text/i18n.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "../../ui.js";
import { Icon } from "../../parts/icon.js";
import { AttachedFiles } from "./attached_files.js";
import { withQuote } from "./quoting.js";

const LONGEST = 16_384;
const TYPING_EVERY = 3000;
const DRAFT_AFTER = 400;
const growsByItself = CSS.supports("field-sizing", "content");

/**
 * @param {object} properties
 * @param {string} properties.friendId
 * @param {string} properties.channelId
 * @param {string} properties.name the friend's.
 * @param {{current: object}} properties.handle is given what others can ask of the composer: `reply(message)`,
 *   `edit(message)`, `take({files, hasFolder})`, `focus()`.
 * @param {boolean} properties.isReplacing whether it comes while one is here: then it takes the focus from nothing else.
 * @param {() => void} properties.onLeave told when the keyboard wants to go to the messages.
 */
export function Composer({ friendId, channelId, name, handle, isReplacing, onLeave }) {
  const area = useRef(null);
  const picker = useRef(null);
  const timers = useRef({ draft: null, toldAt: 0 }).current;
  /** What was being written when one began to edit; null while that isn't so. */
  const aside = useRef(null);
  /** The draft as it was last read or kept: only what differs from it is this tab's to keep. */
  const kept = useRef("");
  const attached = useCell(attaching(friendId));
  const [isBlank, setBlank] = useState(true);
  const [edited, setEdited] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState("");

  const fit = () => {
    if (growsByItself) return;
    area.current.style.height = "auto";
    area.current.style.height = `${area.current.scrollHeight}px`;
  };
  const written = () => aside.current ?? area.current.value;
  const keep = () => {
    if (written() === kept.current) return;
    kept.current = written();
    keepDraft(friendId, kept.current);
  };
  const fill = (text) => {
    area.current.value = text;
    setBlank(text.trim() === "");
    setError("");
    fit();
  };
  const focusEnd = () => {
    area.current.focus();
    area.current.setSelectionRange(area.current.value.length, area.current.value.length);
  };

  /** Show the draft if it has changed elsewhere, unless it has changed here, too. */
  const refill = () => {
    const draft = draftTo(friendId);
    if (draft === kept.current || written() !== kept.current) return;
    kept.current = draft;
    // What would go out by itself is what stood here before.
    if (attaching(friendId).get().armed?.text !== draft.trim()) disarm(friendId);
    if (aside.current === null) fill(draft);
    else aside.current = draft;
  };

  useLayoutEffect(() => {
    refill();
    // Where a keyboard would cover half the screen, it comes when it is asked for.
    const hasKeyboard = matchMedia("(hover: hover) and (pointer: fine)").matches;
    const isWanted = !isReplacing || document.activeElement === document.body;
    if (hasKeyboard && isWanted) area.current.focus({ preventScroll: true });
    addEventListener("pagehide", keep);
    addEventListener("storage", refill);
    return () => {
      removeEventListener("pagehide", keep);
      removeEventListener("storage", refill);
      clearTimeout(timers.draft);
      keep();
    };
  }, [friendId]);
  useEffect(() => {
    if (error) area.current?.focus();
  }, [error]);
  const sentBefore = useRef(attached.sentCount);
  useLayoutEffect(() => {
    if (sentBefore.current === attached.sentCount) return;
    sentBefore.current = attached.sentCount;
    clear();
  }, [attached.sentCount]);

  const clear = () => {
    fill("");
    timers.toldAt = 0;
    clearTimeout(timers.draft);
    keep();
  };
  const onInput = () => {
    const text = area.current.value;
    setBlank(text.trim() === "");
    if (error) setError("");
    fit();
    if (edited) return;
    disarm(friendId);
    clearTimeout(timers.draft);
    timers.draft = setTimeout(keep, DRAFT_AFTER);
    const now = Date.now();
    if (text && now - timers.toldAt > TYPING_EVERY) {
      timers.toldAt = now;
      tellTyping(channelId);
    }
  };

  const startEdit = (message) => {
    disarm(friendId);
    aside.current ??= area.current.value;
    setEdited(message);
    fill(message.text);
    focusEnd();
  };
  const stopEdit = () => {
    const text = aside.current ?? "";
    aside.current = null;
    setEdited(null);
    fill(text);
    focusEnd();
  };
  const saveEdit = async (text) => {
    if (text === edited.text) return stopEdit();
    if (text === "") return setError(t("composer.emptyEdit"));
    setBusy(true);
    try {
      await editMessage(edited, text);
      stopEdit();
    } catch (failure) {
      setError(errorText(failure));
    }
    setBusy(false);
  };
  const submit = () => {
    const text = area.current.value.trim();
    const { length } = [...text];
    if (length > LONGEST) return setError(t("composer.tooLong", { max: LONGEST, length }));
    if (edited) return isBusy ? undefined : saveEdit(text);
    if (hasFailed(attached)) return setError(t("composer.failedFiles"));
    if (attached.files.length > 0) sendWithFiles(friendId, { channelId, text });
    else if (text === "") return undefined;
    else {
      write({ friendId, channelId, text });
      clear();
    }
    return area.current.focus();
  };
  const take = ({ files, hasFolder = false }) => {
    if (edited) stopEdit();
    const left = attach(friendId, files);
    const count = files.length - left;
    if (count > 0) announce(t("attach.added", { count }));
    setError(left > 0 ? t("attach.tooMany", { max: MOST_FILES }) : hasFolder ? t("attach.folder") : "");
    area.current.focus();
  };
  const reply = (message) => {
    if (edited) stopEdit();
    disarm(friendId);
    fill(withQuote(area.current.value, message));
    keep();
    focusEnd();
  };
  handle.current = { reply, take, edit: startEdit, focus: focusEnd };
  useEffect(() => () => (handle.current = null), []);

  const onKeyDown = (event) => {
    // What belongs to the composition of a character is the input method's.
    if (event.isComposing || event.keyCode === 229) return;
    const isPlain = !event.shiftKey && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      submit();
    } else if (event.key === "Escape" && edited) {
      stopEdit();
    } else if (event.key === "Escape") {
      disarm(friendId);
    } else if (event.key === "ArrowUp" && event.altKey) {
      event.preventDefault();
      onLeave();
    } else if (event.key === "ArrowUp" && isPlain && area.current.value === "" && !edited) {
      const last = lastOwnMessage(channelId);
      if (!last) return;
      event.preventDefault();
      startEdit(last);
    }
  };
  const onPaste = (event) => {
    const { files, types } = event.clipboardData;
    // Office programs put a picture of the text beside it.
    if (files.length === 0 || types.includes("text/plain")) return;
    event.preventDefault();
    take({ files: [...files] });
  };

  const isEmpty = isBlank && (edited ? edited.attachments.length === 0 : attached.files.length === 0);
  return html`<form
    class="composer"
    onSubmit=${(event) => {
      event.preventDefault();
      submit();
    }}
  >
    ${error && html`<p class="composer-error" role="alert">${error}</p>`}
    <div class="composer-box">
      ${edited ? html`<${EditBar} onCancel=${stopEdit} />` : html`<${AttachedFiles} friendId=${friendId} />`}
      ${attached.armed && !edited && html`<${ArmedBar} onCancel=${() => disarm(friendId)} />`}
      <div class="composer-line">
        <button
          class="icon-button composer-attach"
          type="button"
          aria-label=${t("composer.attach")}
          title=${t("composer.attach")}
          disabled=${edited !== null || attached.files.length >= MOST_FILES}
          onClick=${() => picker.current.click()}
        >
          <${Icon} name="clip" size=${22} />
        </button>
        <input
          ref=${picker}
          type="file"
          multiple
          hidden
          aria-label=${t("composer.attach")}
          onChange=${({ currentTarget }) => {
            take({ files: [...currentTarget.files] });
            currentTarget.value = "";
          }}
        />
        <textarea
          class="composer-text"
          ref=${area}
          rows="1"
          dir="auto"
          aria-label=${t("composer.label", { name })}
          placeholder=${t("composer.placeholder")}
          enterkeyhint="send"
          data-keeps-focus="1"
          onInput=${onInput}
          onKeyDown=${onKeyDown}
          onPaste=${onPaste}
        ></textarea>
        <button
          class="composer-send"
          type="submit"
          aria-label=${t(edited ? "app.save" : "composer.send")}
          title=${t(edited ? "app.save" : "composer.send")}
          disabled=${isEmpty || isBusy || attached.armed !== null}
        >
          ${attached.armed && !edited
            ? html`<span class="spinner"></span>`
            : html`<${Icon} name=${edited ? "check" : "plane"} size=${22} />`}
        </button>
      </div>
    </div>
  </form>`;
}

function EditBar({ onCancel }) {
  return html`<div class="composer-bar">
    <${Icon} name="pencil" size=${18} /><p role="status">${t("composer.editing")}</p>
    <button
      class="icon-button is-small"
      type="button"
      aria-label=${t("composer.cancelEdit")}
      title=${t("composer.cancelEdit")}
      onClick=${onCancel}
    >
      <${Icon} name="close" size=${16} />
    </button>
  </div>`;
}

function ArmedBar({ onCancel }) {
  return html`<div class="composer-bar">
    <${Icon} name="clock" size=${18} /><p role="status">${t("composer.armed")}</p>
    <button class="text-button" type="button" onClick=${onCancel}>${t("composer.disarm")}</button>
  </div>`;
}
