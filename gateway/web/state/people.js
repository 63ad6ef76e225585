// The people whom the page has heard of, each kept once, so that a change shows wherever they are shown.
import { call } from "../rpc/call.js";
import { useEffect } from "../ui.js";
import { cells, useCell } from "./cell.js";
import { retried } from "./retried.js";

/** By id: undefined as long as it isn't known, null for one who is not in the network, else the Person. */
const known = cells(undefined);

/** Take in people as the server has just said they are. */
export function learn(...people) {
  for (const person of people) {
    if (person) known(person.personId).set((before) => (isSame(before, person) ? before : person));
  }
}

/** Return what is known of a person now. */
export const personNow = (personId) => known(personId).get();

/** Ask the server about a person anew, however often that takes; the promise is kept when it has been tried. */
export const refreshPerson = retried(async (personId) => {
  const person = await ask(personId);
  if (person) learn(person);
  else known(personId).set(null);
});

/** Ask about a person unless they are known. */
export function ensurePerson(personId) {
  if (personNow(personId) === undefined) makeKnown(personId);
}

/** In a queue of its own: those whom one wants to see now don't wait for a long list's names. */
const makeKnown = retried(async (personId) => {
  // A list may have been faster, and whatever was said since is newer.
  if (personNow(personId) !== undefined) return;
  const person = await ask(personId);
  known(personId).set((before) => (before === undefined ? person : before));
});

async function ask(personId) {
  try {
    return (await call("friendship.v1.PeopleService/GetPerson", { personId })).person;
  } catch (error) {
    if (error.reason !== "PERSON_NOT_FOUND" && error.reason !== "INVALID_REQUEST") throw error;
    return null;
  }
}

/** Return what is known of a person, and learn it if need be. */
export function usePerson(personId) {
  const person = useCell(known(personId));
  useEffect(() => ensurePerson(personId), [personId]);
  return person;
}

function isSame(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}
