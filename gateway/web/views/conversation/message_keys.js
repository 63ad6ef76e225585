// Lets keyboard, mouse and touch reach each message of a conversation, and what can be done about it.
//
// The list is one stop of the Tab key: its current message. Up and Down go on from there. Nothing is listened for at
// single messages, as there may be ten thousand.
import { cell } from "../../state/cell.js";
import { messageAt } from "../../state/conversations.js";
import { useLayoutEffect, useRef } from "../../ui.js";
import { act, actionsFor } from "./message_actions.js";

const KEYS = { r: "reply", e: "edit", Delete: "delete", Backspace: "delete" };
const isTouch = () => matchMedia("(hover: none)").matches;

/**
 * @param {object} wishes
 * @param {{current: HTMLElement}} wishes.scroller
 * @param {{current: object}} wishes.composer
 * @param {string} wishes.channelId
 * @param {boolean} wishes.isOpen whether the channel is.
 * @param {number} wishes.last the place of the latest message.
 * @returns `places`, a cell of `{current, pointed}`: the places (`seq`) of the message where the keyboard is or would
 *   be, and of that under the pointer, 0 if none; `listeners` for the scroller; `focusLast` for the keyboard's arrival.
 */
export function useMessageKeys({ scroller, composer, channelId, isOpen, last }) {
  const places = useRef(cell({ current: last, pointed: 0 })).current;
  const set = (changes) => {
    const isNew = Object.entries(changes).some(([name, seq]) => places.get()[name] !== seq);
    if (isNew) places.set((now) => ({ ...now, ...changes }));
  };
  useLayoutEffect(() => {
    // Who is reading somewhere in the list stays there.
    if (!scroller.current.contains(document.activeElement)) set({ current: last });
  }, [last]);

  const elementOf = (seq) => scroller.current.querySelector(`[data-seq="${seq}"]`);
  const seqOf = (event) => Number(event.target.closest?.("[data-seq]")?.dataset.seq ?? 0);
  const focus = (seq) => {
    const element = elementOf(seq);
    element?.focus({ preventScroll: true });
    element?.scrollIntoView({ block: "nearest" });
  };
  const doIt = (name, seq) => {
    const message = messageAt(channelId, seq);
    if (!message || !actionsFor(message, isOpen).includes(name)) return false;
    // A button goes with the message that it deletes; the keyboard stays.
    if (name === "delete") elementOf(seq)?.focus({ preventScroll: true });
    act(name, message, composer.current);
    return true;
  };

  const onKeyDown = (event) => {
    const seq = seqOf(event);
    if (!seq || event.ctrlKey || event.metaKey || event.altKey) return;
    const isOnMessage = event.target.dataset.seq !== undefined;
    const next = { ArrowUp: seq - 1, ArrowDown: seq + 1, End: last }[event.key];
    let isDone = true;
    if (event.key === "Escape" || (event.key === "ArrowDown" && seq === last)) composer.current?.focus();
    else if (next !== undefined) focus(next);
    else if (event.key === "Home") focus(Number(scroller.current.querySelector("[data-seq]").dataset.seq));
    else if (isOnMessage && KEYS[event.key]) isDone = doIt(KEYS[event.key], seq);
    else isDone = false;
    if (isDone) event.preventDefault();
  };
  const onClick = (event) => {
    const seq = seqOf(event);
    const button = event.target.closest("[data-action]");
    if (button) doIt(button.dataset.action, seq);
    // What a mouse shows by being there, a finger shows by a tap.
    if (!isTouch() || (!button && event.target.closest("a, button"))) return;
    set({ pointed: button || places.get().pointed === seq ? 0 : seq });
  };
  const listeners = {
    onKeyDown,
    onClick,
    onFocusCapture: (event) => seqOf(event) && set({ current: seqOf(event) }),
    onPointerOver: (event) => !isTouch() && set({ pointed: seqOf(event) }),
    onPointerLeave: () => !isTouch() && set({ pointed: 0 }),
  };
  return { places, listeners, focusLast: () => focus(last) };
}
