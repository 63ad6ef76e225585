// Keeps what a person has begun to write to each friend, through reloads, until they sign out.
import { shelf } from "./kept.js";

const texts = shelf("localStorage", "draft");
const files = shelf("sessionStorage", "files");

/** Return the draft to a person, or the empty string. */
export const draftTo = (personId) => texts.get(personId) ?? "";

/** Keep a draft; an empty one is forgotten. */
export const keepDraft = (personId, text) => texts.set(personId, text.trim() ? text : null);

/**
 * Return what was attached to a message that was being written in this tab before a reload.
 *
 * @returns {{uploaded: object[], lost: string[]}} the attachments at the server, and the names of files that were not.
 */
export const draftFilesTo = (personId) => files.get(personId) ?? { uploaded: [], lost: [] };

/** Keep what is attached, for this tab; if that is nothing, it is forgotten. */
export function keepDraftFiles(personId, { uploaded, lost }) {
  files.set(personId, uploaded.length + lost.length > 0 ? { uploaded, lost } : null);
}
