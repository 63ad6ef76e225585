// Calls the gateway: its methods as Connect JSON, and the few plain endpoints beside them.
import { fromFetch, fromHttp, readAnswer } from "./errors.js";

const TIMEOUT = 20_000;

/**
 * Call a method.
 *
 * @param {string} method for example "friendship.v1.PeopleService/GetPerson".
 * @param {object} [request] in the JSON form of Protocol Buffers.
 * @returns {Promise<object>} the response; fields with their default value are left out.
 * @throws {ApiError}
 */
export function call(method, request = {}, { signal } = {}) {
  return send("POST", `/paperplane.${method}`, {
    body: JSON.stringify(request),
    headers: { "Content-Type": "application/json", "Connect-Protocol-Version": "1" },
    signal,
  });
}

/**
 * List all pages of a list.
 *
 * @param {string} method
 * @param {string} name the response's field that holds the things listed.
 */
export async function listAll(method, name, request = {}) {
  const all = [];
  for (let pageToken = ""; ; ) {
    const page = await call(method, { ...request, pageSize: 200, pageToken });
    all.push(...(page[name] ?? []));
    if (!page.nextPageToken) return all;
    pageToken = page.nextPageToken;
  }
}

/** Send a request to a plain endpoint, and return what it answers, or null if that is nothing. */
export async function send(verb, path, { body, headers, signal } = {}) {
  const limits = [AbortSignal.timeout(TIMEOUT), ...(signal ? [signal] : [])];
  let status, text;
  try {
    const options = { method: verb, body, headers, signal: anyOf(limits), cache: "no-store" };
    const response = await fetch(path, options);
    status = response.status;
    text = await response.text();
  } catch (error) {
    throw fromFetch(error);
  }
  if (status < 200 || status > 299) throw fromHttp(status, text);
  return readAnswer(text);
}

function anyOf(signals) {
  if (AbortSignal.any) return AbortSignal.any(signals);
  const controller = new AbortController();
  for (const signal of signals) {
    if (signal.aborted) controller.abort(signal.reason);
    signal.addEventListener("abort", () => controller.abort(signal.reason), { once: true });
  }
  return controller.signal;
}
