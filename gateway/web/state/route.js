// Which screen the address names, and the addresses of all screens.
import { cell } from "./cell.js";

/**
 * `name` is "network", "person", "home", "requests", "blocked", "messages", "you" or "nowhere"; some have an `id`.
 * Whoever comes back from an identity provider without being signed in has a `signInError`.
 */
export const route = cell(parse(location.hash));

/** Whether the last change of screen came from the page itself, so that going back stays in it. */
export const visited = { count: 0 };

/** The addresses. */
export const hrefs = {
  network: "#/network",
  person: (id) => `#/people/${encodeURIComponent(id)}`,
  home: "#/home",
  requests: "#/home/requests",
  blocked: "#/home/blocked",
  messages: (id) => `#/messages/${encodeURIComponent(id)}`,
  you: "#/you",
};

function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [first = "", second = ""] = path.split("/");
  const id = decoded(second);
  if (first === "sign-in") return { name: "home", signInError: new URLSearchParams(query).get("error") ?? "" };
  if (first === "people" && id) return { name: "person", id };
  if (first === "messages" && id) return { name: "messages", id };
  if (first === "home" && (second === "requests" || second === "blocked")) return { name: second };
  if (first === "" || (first === "home" && !second)) return { name: "home" };
  if ((first === "network" || first === "you") && !second) return { name: first };
  return { name: "nowhere" };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

addEventListener("hashchange", () => {
  visited.count += 1;
  route.set(parse(location.hash));
});

/** Go to a screen. */
export function go(href) {
  location.hash = href;
}

/** Go back to where one came from or, for who came from elsewhere, to a screen. */
export function goBack(href) {
  if (visited.count > 0) history.back();
  else location.replace(href);
}
