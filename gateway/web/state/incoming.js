// Says a message that has just come to those who listen to the page instead of looking at it.
import { t } from "../text/i18n.js";
import { announce } from "./notices.js";
import { personNow } from "./people.js";

const LONGEST = 200;

/** Announce a friend's new message. */
export function announceMessage({ senderId, text, attachments, deleteTime }) {
  if (deleteTime) return;
  const name = personNow(senderId)?.displayName ?? t("person.unknown");
  const words = text || t("message.files", { count: attachments.length });
  announce(t("message.announced", { name, text: words.slice(0, LONGEST) }));
}
