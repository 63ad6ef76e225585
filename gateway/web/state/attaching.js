// The files that go with the next message to a friend: uploaded a few at a time, while one writes or looks elsewhere.
import { delayAfter } from "../live/backoff.js";
import { ApiError } from "../rpc/errors.js";
import { upload } from "../rpc/upload.js";
import { t } from "../text/i18n.js";
import { cell } from "./cell.js";
import { draftFilesTo, draftTo, keepDraft, keepDraftFiles } from "./drafts.js";
import { toast } from "./notices.js";
import { write } from "./outbox.js";
import { personNow } from "./people.js";
import { readAttachment } from "./reading.js";
import { session } from "./session.js";
import { connection, reportSignedOut } from "./sync.js";

/** How many files a message holds, by the contract. */
export const MOST_FILES = 10;

const AT_ONCE = 3;
/** The server takes few uploads of a person at a time, and a broken file fails as often as it is tried. */
const TRIES = 3;
const LONGEST_NAME = 255;

const EMPTY = { files: [], lost: [], armed: null, sentCount: 0 };
const held = new Map();

/**
 * What is attached, by the friend's id: a cell of `{files, lost, armed, sentCount}`. Of a file, `{id, file, name, type,
 * size, url, state, part, error, attachment}`; its `state` is "queued", "uploading", "waiting" (for the line to come
 * back), "uploaded" or "failed". `lost` names the files that a reload took away. `armed` is the message that is sent as
 * soon as all files are uploaded, and `sentCount` says how often that has happened.
 */
export function attaching(friendId) {
  if (!held.has(friendId)) held.set(friendId, cell(restored(friendId)));
  return held.get(friendId);
}

/** What was uploaded before a reload is at the server still. */
function restored(friendId) {
  const { uploaded, lost } = draftFilesTo(friendId);
  const files = uploaded.map((attachment) => {
    const { attachmentId: id, fileName: name, contentType: type, sizeBytes: size, hasPreview } = attachment;
    const url = hasPreview ? `/attachments/${encodeURIComponent(id)}?preview=1` : "";
    return { id, file: null, name, type, size, url, state: "uploaded", part: 1, error: null, attachment };
  });
  return { ...EMPTY, files, lost };
}

/** Whether every file is at the server. */
export const isUploaded = ({ files }) => files.every((one) => one.state === "uploaded");

/** Whether a file could not be uploaded. */
export const hasFailed = ({ files }) => files.some((one) => one.state === "failed");

/** Attach files, as many as there is room for. Returns how many there was none for. */
export function attach(friendId, files) {
  const room = MOST_FILES - attaching(friendId).get().files.length;
  const taken = [...files].slice(0, Math.max(0, room)).map(attachable);
  update(friendId, (now) => ({ files: [...now.files, ...taken], lost: [], armed: null }));
  for (const { id, state } of taken) if (state === "queued") enqueue(friendId, id);
  return files.length - taken.length;
}

function attachable(file) {
  const isEmpty = file.size === 0;
  return {
    id: crypto.randomUUID(),
    file,
    name: cleaned(file.name),
    type: file.type,
    size: file.size,
    url: /^image\/(?:jpeg|png|gif|webp)$/.test(file.type) ? URL.createObjectURL(file) : "",
    state: isEmpty ? "failed" : "queued",
    part: 0,
    error: isEmpty ? new ApiError({ code: "invalid_argument", reason: "UPLOAD_EMPTY" }) : null,
    attachment: null,
  };
}

/** A name as the contract has it: without a path, control characters, and what turns the direction of text. */
function cleaned(name) {
  const plain = name.replace(/[\p{Cc}\p{Surrogate}\u202a-\u202e\u2066-\u2069/\\]/gu, "_").replace(/^\.{0,2}$/, "_");
  const letters = [...plain];
  if (letters.length <= LONGEST_NAME) return plain;
  const end = [...(/\.[^.]{1,20}$/u.exec(plain)?.[0] ?? "")];
  return [...letters.slice(0, LONGEST_NAME - end.length), ...end].join("");
}

/** Take a file away again, wherever its upload is. */
export function detach(friendId, id) {
  const file = fileOf(friendId, id);
  if (!file) return;
  uploads.get(id)?.abort();
  forget(file);
  update(friendId, (now) => ({ files: now.files.filter((one) => one !== file), armed: null }));
}

/** Upload a file again that could not be uploaded. */
export const retryUpload = (friendId, id) => enqueue(friendId, id);

/** Put the note of what a reload took away aside. */
export const dismissLost = (friendId) => update(friendId, () => ({ lost: [] }));

/** Send a message with the files attached as soon as they are uploaded, which may be now. */
export function sendWithFiles(friendId, { channelId, text }) {
  update(friendId, () => ({ armed: { channelId, text } }));
  settle(friendId);
}

/** Don't send yet. */
export const disarm = (friendId) => attaching(friendId).get().armed && update(friendId, () => ({ armed: null }));

function settle(friendId) {
  const now = attaching(friendId).get();
  if (!now.armed) return;
  if (hasFailed(now)) {
    disarm(friendId);
    const name = personNow(friendId)?.displayName ?? t("person.unknown");
    toast(t("composer.fileFailed", { name }), { isError: true });
  } else if (isUploaded(now)) {
    write({ friendId, ...now.armed, attachments: now.files.map((one) => one.attachment) });
    now.files.forEach(forget);
    // In another tab one may be writing on by now.
    if (draftTo(friendId).trim() === now.armed.text) keepDraft(friendId, "");
    update(friendId, ({ sentCount }) => ({ ...EMPTY, sentCount: sentCount + 1 }));
  }
}

const queue = [];
const uploads = new Map();

function enqueue(friendId, id, attempt = 1) {
  change(friendId, id, { state: "queued", part: 0, error: null });
  queue.push({ friendId, id, attempt });
  pump();
}

function pump() {
  while (uploads.size < AT_ONCE && queue.length > 0) {
    const { friendId, id, attempt } = queue.shift();
    if (fileOf(friendId, id)?.state === "queued") run(friendId, id, attempt);
  }
}

async function run(friendId, id, attempt) {
  const { file, name } = fileOf(friendId, id);
  const abort = new AbortController();
  uploads.set(id, abort);
  change(friendId, id, { state: "uploading" });
  try {
    const { attachment } = await upload("/attachments", file, {
      headers: { ...(file.type && { "Content-Type": file.type }), "Content-Disposition": disposition(name) },
      onProgress: (part) => change(friendId, id, { part }),
      signal: abort.signal,
    });
    change(friendId, id, { state: "uploaded", part: 1, attachment: readAttachment(attachment) });
  } catch (error) {
    if (!abort.signal.aborted) fail(friendId, id, attempt, error);
  }
  uploads.delete(id);
  pump();
  settle(friendId);
}

function fail(friendId, id, attempt, error) {
  if (error.isSignedOut) reportSignedOut();
  if (error.code !== "offline") {
    change(friendId, id, { state: "failed", error });
  } else if (!isLineThere()) {
    change(friendId, id, { state: "waiting", part: 0 });
  } else if (attempt < TRIES) {
    // The line may well be gone, and the page not know it yet.
    change(friendId, id, { state: "waiting", part: 0 });
    const again = () => isWaiting(friendId, id) && enqueue(friendId, id, attempt + 1);
    setTimeout(again, delayAfter(attempt + 1));
  } else {
    const broken = new ApiError({ code: "offline", reason: "UPLOAD_BROKEN" });
    change(friendId, id, { state: "failed", error: broken });
  }
}

const isLineThere = () => connection.get() === "live" && navigator.onLine !== false;
const isWaiting = (friendId, id) => fileOf(friendId, id)?.state === "waiting" && isLineThere();

function goOn() {
  if (!isLineThere()) return;
  for (const [friendId, now] of held) {
    for (const { id, state } of now.get().files) if (state === "waiting") enqueue(friendId, id);
  }
}

connection.subscribe(goOn);
addEventListener("online", goOn);

/** Whoever leaves is not held back by what they attached, and none of it is uploaded for whoever comes next. */
session.subscribe(() => {
  if (session.get().stage !== "left") return;
  queue.length = 0;
  for (const abort of uploads.values()) abort.abort();
  held.clear();
});

/** A header that holds any name (RFC 6266, RFC 8187). */
function disposition(name) {
  const encoded = encodeURIComponent(name).replace(/['()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`);
  return `attachment; filename*=UTF-8''${encoded}`;
}

const fileOf = (friendId, id) => attaching(friendId).get().files.find((one) => one.id === id);

function change(friendId, id, changes) {
  update(friendId, ({ files }) => ({ files: files.map((one) => (one.id === id ? { ...one, ...changes } : one)) }));
}

function update(friendId, changesOf) {
  const before = attaching(friendId).get();
  const now = { ...before, ...changesOf(before) };
  attaching(friendId).set(now);
  keepDraftFiles(friendId, {
    uploaded: now.files.flatMap((one) => one.attachment ?? []),
    lost: [...now.lost, ...now.files.filter((one) => !one.attachment).map((one) => one.name)],
  });
}

function forget({ file, url }) {
  if (file && url) URL.revokeObjectURL(url);
}

/** A reload would take away what is not at the server yet. */
addEventListener("beforeunload", (event) => {
  if ([...held.values()].some((now) => !isUploaded(now.get()) && !hasFailed(now.get()))) event.preventDefault();
});
