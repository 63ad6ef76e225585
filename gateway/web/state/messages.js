// What one can do about a message that was sent: change its text, or delete it for both.
import { call } from "../rpc/call.js";
import { applyMessage } from "./sync.js";

const SERVICE = "messaging.v1.MessagingService";

/**
 * Replace the text of one's own message.
 *
 * @throws {ApiError}
 */
export async function editMessage({ channelId, seq }, text) {
  applyMessage((await call(`${SERVICE}/EditMessage`, { channelId, seq: String(seq), text })).message);
}

/**
 * Delete one's own message, with its files.
 *
 * @throws {ApiError}
 */
export async function deleteMessage({ channelId, seq }) {
  applyMessage((await call(`${SERVICE}/DeleteMessage`, { channelId, seq: String(seq) })).message);
}
