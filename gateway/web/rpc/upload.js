// Sends a file as the body of a request, telling how far it has got and able to be broken off.
import { ApiError, fromHttp, readAnswer } from "./errors.js";

/** An upload of which nothing is heard for so long is dead. Writing a large picture anew takes a while. */
const SILENCE = 60_000;

/**
 * Upload a file. (`fetch` can't tell how much of a body has been sent; XMLHttpRequest can.)
 *
 * @param {string} path
 * @param {Blob} file
 * @param {object} [options]
 * @param {Record<string, string>} [options.headers]
 * @param {(part: number) => void} [options.onProgress] told how much has been sent, from 0 to 1.
 * @param {AbortSignal} [options.signal]
 * @returns {Promise<object>} the answer.
 * @throws {ApiError}
 */
export async function upload(path, file, options = {}) {
  const { status, responseText } = await put(path, file, options);
  if (status < 200 || status > 299) throw fromHttp(status, responseText);
  return readAnswer(responseText);
}

/** Resolve with the request once it has been answered. */
function put(path, file, { headers = {}, onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let watchdog = null;
    const expectNews = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => {
        reject(new ApiError({ code: "offline", reason: "NETWORK" }));
        request.abort();
      }, SILENCE);
    };
    request.open("PUT", path);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => {
      expectNews();
      onProgress?.(total ? loaded / total : 0);
    };
    request.onload = () => resolve(request);
    request.onerror = () => reject(new ApiError({ code: "offline", reason: "NETWORK" }));
    request.onabort = () => reject(new ApiError({ code: "canceled" }));
    request.onloadend = () => clearTimeout(watchdog);
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    expectNews();
    request.send(file);
  });
}
