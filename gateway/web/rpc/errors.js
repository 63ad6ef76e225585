// Gives every failure of a call one form, whether it came as Connect's JSON, as plain HTTP, or not at all.

export class ApiError extends Error {
  /**
   * @param {object} parts
   * @param {string} parts.code Connect's code, for example "unavailable"; "offline" when no answer came.
   * @param {string} [parts.reason] the stable reason, for example "CHANNEL_CLOSED".
   * @param {{field: string, description: string}[]} [parts.fields] which fields are at fault.
   * @param {number} [parts.retryAfter] when to go on, in milliseconds.
   */
  constructor({ code, reason = "", message = "", fields = [], retryAfter = 0 }) {
    super(message || reason || code);
    this.code = code;
    this.reason = reason;
    this.fields = fields;
    this.retryAfter = retryAfter;
  }

  /** Whether the session is over, so that only signing in again helps. */
  get isSignedOut() {
    return this.code === "unauthenticated";
  }

  /** Whether the same call may well succeed a little later. */
  get isPassing() {
    return (
      ["offline", "unavailable", "deadline_exceeded", "canceled", "aborted"].includes(this.code) ||
      this.reason === "RATE_LIMITED"
    );
  }
}

const BY_STATUS = {
  400: "invalid_argument",
  401: "unauthenticated",
  403: "permission_denied",
  404: "not_found",
  408: "deadline_exceeded",
  413: "resource_exhausted",
  429: "resource_exhausted",
  501: "unimplemented",
  502: "unavailable",
  503: "unavailable",
  504: "deadline_exceeded",
};

/** Read an error as Connect writes it: `{code, message, details}`. */
export function fromConnect({ code, message, details = [] }) {
  const find = (type) => details.find((detail) => detail.type === type)?.debug ?? {};
  return new ApiError({
    code,
    message,
    reason: find("google.rpc.ErrorInfo").reason,
    fields: find("google.rpc.BadRequest").fieldViolations,
    retryAfter: parseFloat(find("google.rpc.RetryInfo").retryDelay ?? "0") * 1000,
  });
}

/** Read the error of an HTTP response from its status and the text of its body. */
export function fromHttp(status, text) {
  try {
    const body = JSON.parse(text);
    if (body.code) return fromConnect(body);
  } catch {
    // Not ours: a proxy in between, or a part of the server that isn't there.
  }
  const isAbsent = status === 404 || status === 405 || status === 501;
  return new ApiError({
    code: BY_STATUS[status] ?? "unknown",
    reason: isAbsent ? "NOT_SERVED" : "",
    message: `HTTP ${status}`,
  });
}

/** Read the answer of an HTTP response that went well; null if that is nothing. */
export function readAnswer(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    // Not ours: a network that wants to be signed in to answers everything with a page of its own.
    throw new ApiError({ code: "unavailable", reason: "NETWORK", message: "the answer is not JSON" });
  }
}

/** Turn whatever `fetch` throws into an error of ours. */
export function fromFetch(error) {
  if (error instanceof ApiError) return error;
  const code = error?.name === "TimeoutError" ? "deadline_exceeded" : "offline";
  return new ApiError({ code, reason: code === "offline" ? "NETWORK" : "", message: error?.message });
}
