// Friend requests in their three boxes, the friends, and the people blocked: what Home and Network list beside channels.
import { listAll } from "../rpc/call.js";
import { cell } from "./cell.js";
import { learn, refreshPerson } from "./people.js";
import { retried } from "./retried.js";
import { myId } from "./session.js";

/** The boxes, newest first; null until they are known. */
export const requests = cell(null);

/** The ids of friends by handle, and of the people blocked; null until they are known. */
export const friends = cell(null);
export const blocked = cell(null);

const BOXES = { received: "REQUEST_BOX_RECEIVED", sent: "REQUEST_BOX_SENT", ignored: "REQUEST_BOX_IGNORED" };
const SERVICE = "friendship.v1.FriendshipService";

/** List everything anew. */
export async function loadFriendships() {
  await Promise.all([
    load(requests, listRequests),
    load(friends, () => listPeople("ListFriends", "friends")),
    load(blocked, () => listPeople("ListBlockedPeople", "people")),
  ]);
}

const listAgain = retried(loadFriendships);

/** Put a list in its place, unless something was said of it meanwhile: that may be newer, so the list is made again. */
async function load(place, list) {
  const before = place.get();
  const listed = await list();
  if (place.get() === before) place.set(listed);
  else listAgain();
}

async function listRequests() {
  const names = Object.keys(BOXES);
  const lists = await Promise.all(
    names.map((name) =>
      listAll(`${SERVICE}/ListFriendRequests`, "friendRequests", { box: BOXES[name] }),
    ),
  );
  for (const list of lists) learn(...list.map((request) => request.person));
  return Object.fromEntries(names.map((name, index) => [name, lists[index]]));
}

async function listPeople(method, name) {
  const people = await listAll(`${SERVICE}/${method}`, name);
  learn(...people);
  return people.map((person) => person.personId);
}

/** Take in a request as it is now: it moves to the box where it belongs, or out of all of them. */
export function applyRequest(request) {
  const person = request.person;
  learn(person);
  const box = boxOf(request);
  requests.set((boxes) => {
    if (boxes === null) return null;
    return Object.fromEntries(
      Object.entries(boxes).map(([name, list]) => {
        const isThere = list.some((known) => known.requestId === request.requestId);
        const others = isThere ? list.filter((known) => known.requestId !== request.requestId) : list;
        return [name, name === box ? [request, ...others] : others];
      }),
    );
  });
  if (request.state === "FRIEND_REQUEST_STATE_ACCEPTED" && person?.canMessage) {
    friends.set((ids) => ids && [...new Set([...ids, person.personId])]);
  }
}

function boxOf({ state, requesterId }) {
  if (state === "FRIEND_REQUEST_STATE_PENDING") return requesterId === myId() ? "sent" : "received";
  return state === "FRIEND_REQUEST_STATE_IGNORED" ? "ignored" : "";
}

/** Return the pending request between the caller and a person, if there is one. */
export function requestWith(personId, boxes = requests.get()) {
  if (boxes === null) return undefined;
  const all = [...boxes.received, ...boxes.sent, ...boxes.ignored];
  return all.find(({ requesterId, addresseeId }) => requesterId === personId || addresseeId === personId);
}

/** Take in one event of the friendships' stream. */
export function applyFriendshipEvent(event) {
  const withRequest =
    event.requestReceived ?? event.requestAccepted ?? event.requestCancelled ?? event.requestSent ?? event.requestIgnored;
  if (withRequest) {
    applyRequest(withRequest.friendRequest);
    return;
  }
  const { personId } = event.friendRemoved ?? event.personBlocked ?? event.personUnblocked ?? {};
  if (personId) personChanged(personId);
}

/** A friendship or a block has come or gone: what follows from it is asked of the server, which knows the rules. */
export async function personChanged(personId) {
  await listAgain();
  // Only now, or a list that was on its way already would have the last word about this person.
  await refreshPerson(personId);
}
