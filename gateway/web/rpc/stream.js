// Reads a server stream as Connect sends it over fetch: envelopes of a flag, a length and JSON.
import { ApiError, fromConnect, fromFetch, fromHttp } from "./errors.js";

const END_OF_STREAM = 2;
const HEADER = 5;

/**
 * Call a method that streams its responses.
 *
 * @param {string} method for example "messaging.v1.MessagingService/WatchMessages".
 * @param {object} request
 * @param {AbortSignal} signal ends the stream.
 * @yields {object} each response.
 * @throws {ApiError} when the stream breaks off or ends with an error.
 */
export async function* stream(method, request, signal) {
  try {
    const response = await fetch(`/paperplane.${method}`, {
      method: "POST",
      headers: { "Content-Type": "application/connect+json", "Connect-Protocol-Version": "1" },
      body: envelope(request),
      signal,
      cache: "no-store",
    });
    const type = response.headers.get("Content-Type") ?? "";
    if (!response.ok || !type.startsWith("application/connect+json")) {
      throw fromHttp(response.status, await response.text());
    }
    for await (const { flags, text } of envelopes(response.body)) {
      const value = JSON.parse(text);
      if (flags & END_OF_STREAM) {
        if (value.error) throw fromConnect(value.error);
        return;
      }
      yield value;
    }
  } catch (error) {
    throw fromFetch(error);
  }
  throw new ApiError({ code: "unavailable", reason: "NETWORK", message: "the stream broke off" });
}

function envelope(request) {
  const json = new TextEncoder().encode(JSON.stringify(request));
  const bytes = new Uint8Array(HEADER + json.length);
  new DataView(bytes.buffer).setUint32(1, json.length);
  bytes.set(json, HEADER);
  return bytes;
}

async function* envelopes(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let buffer = new Uint8Array(0);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      buffer = joined(buffer, value);
      for (;;) {
        if (buffer.length < HEADER) break;
        const length = new DataView(buffer.buffer, buffer.byteOffset).getUint32(1);
        if (buffer.length < HEADER + length) break;
        yield { flags: buffer[0], text: decoder.decode(buffer.subarray(HEADER, HEADER + length)) };
        buffer = buffer.subarray(HEADER + length);
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function joined(first, second) {
  if (first.length === 0) return second;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
