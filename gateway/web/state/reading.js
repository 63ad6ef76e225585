// Turns what comes as JSON into what the page counts and compares with: numbers for places, milliseconds for times.

const time = (text) => (text ? Date.parse(text) : 0);

/** Read a Message. */
export function readMessage(json) {
  return {
    channelId: json.channelId,
    seq: Number(json.seq),
    senderId: json.senderId,
    clientMessageId: json.clientMessageId ?? "",
    text: json.text ?? "",
    attachments: (json.attachments ?? []).map(readAttachment),
    createTime: time(json.createTime),
    editTime: time(json.editTime),
    deleteTime: time(json.deleteTime),
  };
}

/** Read an Attachment. */
export function readAttachment(json) {
  return {
    attachmentId: json.attachmentId,
    fileName: json.fileName ?? "",
    contentType: json.contentType ?? "application/octet-stream",
    sizeBytes: Number(json.sizeBytes ?? 0),
    width: json.width ?? 0,
    height: json.height ?? 0,
    hasPreview: json.hasPreview ?? false,
  };
}

/** Read a Channel. */
export function readChannel(json) {
  return {
    channelId: json.channelId,
    friendId: json.friendId,
    state: json.state,
    lastSeq: Number(json.lastSeq ?? 0),
    unreadCount: json.unreadCount ?? 0,
    lastMessage: json.lastMessage ? readMessage(json.lastMessage) : null,
    readSeq: Number(json.readSeq ?? 0),
    friendReadSeq: Number(json.friendReadSeq ?? 0),
    activeTime: time(json.activeTime),
  };
}

export const readTime = time;
