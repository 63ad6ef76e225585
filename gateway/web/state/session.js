// Who is signed in, and how one signs in and out.
import * as storage from "../live/storage.js";
import { call, send } from "../rpc/call.js";
import { cell } from "./cell.js";
import { forgetKept, keepFor } from "./kept.js";
import { route } from "./route.js";

/**
 * What the page is: `stage` is "loading", "unreachable", "signed-out", "joining" (signed in, but not in the network),
 * "ready" or "left" (about to be replaced by a new document); `signIn`, `people` and `personId` are as `/session` says.
 */
export const session = cell({ stage: "loading", signIn: "none", people: [], personId: "" });

/** Return the id of the person signed in. */
export const myId = () => session.get().personId;

/** Tells the other tabs of the browser who is signed in, as they share the cookie. */
const otherTabs = new BroadcastChannel("paperplane-session");

otherTabs.onmessage = ({ data }) => {
  const { stage, personId } = session.get();
  const isLeftBehind = personId !== data.personId || (stage === "joining" && data.stage === "ready");
  if (isLeftBehind && stage !== "loading") startOver();
};

/** How long the engine may take to answer, in milliseconds. */
const PATIENCE = 3000;
/** How to speak with the engine; null while this tab needs none. */
let engine = null;
let awaitStopped = () => {};

/** Find out who is signed in and whether they are in the network. Returns their own entry, if there is one. */
export async function openSession() {
  session.set((before) => ({ ...before, stage: "loading" }));
  try {
    const { signIn, people = [], person } = await send("GET", "/session");
    const known = { signIn, people, personId: person?.personId ?? "" };
    if (!person) {
      session.set({ ...known, stage: "signed-out" });
      return null;
    }
    keepFor(person.personId);
    keepProviderSignOut();
    if (route.get().signInError !== undefined) location.replace("#/home");
    const self = await getSelf(person.personId);
    const stage = self ? "ready" : "joining";
    session.set({ ...known, stage });
    otherTabs.postMessage({ personId: known.personId, stage });
    return self;
  } catch (error) {
    session.set((before) => ({ ...before, stage: "unreachable", error }));
    return null;
  }
}

async function getSelf(personId) {
  try {
    return (await call("friendship.v1.PeopleService/GetPerson", { personId })).person;
  } catch (error) {
    if (error.reason === "PERSON_NOT_FOUND") return null;
    throw error;
  }
}

/** Sign in as anyone (development only). All tabs of the browser follow. */
export async function signInAs(personId) {
  const headers = { "Content-Type": "application/json" };
  await send("POST", "/session", { body: JSON.stringify({ personId }), headers });
  location.reload();
}

/** Go to the identity provider, and come back to where one was. */
export function signInElsewhere() {
  const path = route.get().signInError === undefined ? `/${location.hash}` : "/";
  location.assign(`/sign-in?return_to=${encodeURIComponent(path)}`);
}

/** Enter the network. */
export async function join({ handle, displayName, headline }) {
  await call("friendship.v1.PeopleService/CreatePerson", { handle, displayName, headline });
  location.reload();
}

/** Learn how to speak with the engine, which has to rest before a session ends, and how to wake it again. */
export function connectSession(tell, greet) {
  engine = { tell, greet };
}

/** Told when nothing is under way any more. */
export const onStopped = () => awaitStopped();

/**
 * Sign out, in all tabs. What was not sent yet is lost.
 *
 * @throws {ApiError} the server could not be told; everything is as before.
 */
export async function signOut() {
  const personId = myId();
  if (engine) await rest();
  try {
    keepProviderSignOut((await send("DELETE", "/session"))?.providerSignOutUrl);
  } catch (error) {
    engine?.greet();
    throw error;
  }
  forgetKept();
  await storage.clear().catch(() => {});
  if (!engine) return leave();
  engine.tell({ type: "forget", personId });
  // Its answer takes all tabs along, this one too. Should there be none, at least this one goes.
  setTimeout(leave, PATIENCE);
}

function rest() {
  const stopped = new Promise((resolve) => {
    awaitStopped = resolve;
    setTimeout(resolve, PATIENCE);
  });
  engine.tell({ type: "stop" });
  return stopped;
}

const PROVIDER_SIGN_OUT = "paperplane.provider-sign-out";

/** The provider's own session outlives ours; where it can be ended is told on the sign-in screen. */
function keepProviderSignOut(url = "") {
  try {
    sessionStorage.setItem(PROVIDER_SIGN_OUT, url);
  } catch {
    // A browser that keeps nothing: not told.
  }
}

/** Return where the provider's session can be ended, for one who has just signed out in this tab; null if nowhere. */
export function providerSignOut() {
  try {
    const url = new URL(sessionStorage.getItem(PROVIDER_SIGN_OUT) ?? "");
    return ["http:", "https:"].includes(url.protocol) ? url : null;
  } catch {
    return null;
  }
}

/** Take a tab back to the sign-in screen. */
export function leave({ isExpired = false } = {}) {
  if (!isExpired) forgetKept();
  history.replaceState(null, "", isExpired ? location.href : "/");
  startOver();
}

/** Go on in a new document, which holds nothing of this one. Until it is there, this one shows and does no more. */
function startOver() {
  session.set((before) => ({ ...before, stage: "left" }));
  location.reload();
}
