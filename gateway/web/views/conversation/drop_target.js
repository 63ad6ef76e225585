// Takes files that are dragged onto a conversation, and shows where they would go.
import { t } from "../../text/i18n.js";
import { html, useEffect, useState } from "../../ui.js";
import { Icon } from "../../parts/icon.js";

const hasFiles = (event) => event.dataTransfer?.types.includes("Files") ?? false;

/**
 * Listen for files that are dropped.
 *
 * @param {{current: HTMLElement}} place where they can be dropped.
 * @param {(dropped: {files: File[], hasFolder: boolean}) => void} onDrop
 * @returns {boolean} whether some are held above the place now.
 */
export function useDrop(place, onDrop, isOpen) {
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    if (!isOpen) return undefined;
    const element = place.current;
    const over = (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
      setOver(true);
    };
    const leave = (event) => {
      // Between elements inside of the place, it is left and entered at once.
      if (!element.contains(event.relatedTarget)) setOver(false);
    };
    const drop = (event) => {
      setOver(false);
      if (!hasFiles(event)) return;
      event.preventDefault();
      onDrop(droppedWith(event.dataTransfer));
    };
    const listeners = { dragenter: over, dragover: over, dragleave: leave, drop };
    for (const [name, listener] of Object.entries(listeners)) element.addEventListener(name, listener);
    return () => {
      for (const [name, listener] of Object.entries(listeners)) element.removeEventListener(name, listener);
      setOver(false);
    };
  }, [isOpen, onDrop]);
  return isOver;
}

function droppedWith({ items, files }) {
  const isFolder = [...items]
    .filter((item) => item.kind === "file")
    .map((item) => item.webkitGetAsEntry?.()?.isDirectory ?? false);
  return { files: [...files].filter((_, index) => !isFolder[index]), hasFolder: isFolder.includes(true) };
}

export function DropTarget({ name }) {
  return html`<div class="drop-target">
    <p><${Icon} name="clip" size=${28} />${t("attach.drop", { name })}</p>
  </div>`;
}

/** Files that miss a conversation would otherwise be opened in place of the page. */
export function useNoDropElsewhere() {
  useEffect(() => {
    const refuse = (event) => {
      if (!hasFiles(event) || event.defaultPrevented) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "none";
    };
    addEventListener("dragover", refuse);
    addEventListener("drop", refuse);
    return () => {
      removeEventListener("dragover", refuse);
      removeEventListener("drop", refuse);
    };
  }, []);
}
