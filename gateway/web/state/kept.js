// Keeps things in this browser for the person signed in: no other who signs in here finds them, and signing out ends them.

const PREFIX = "paperplane.kept.";

/** For whom things are kept; nobody before somebody is known to be signed in, nor once they are signing out. */
let owner = "";

// No id holds a space, so that no key can be taken for another.
const prefixOf = (personId) => `${PREFIX}${personId} `;

/** Begin for a person: what somebody else has left here is forgotten. */
export function keepFor(personId) {
  owner = personId;
  forget((key) => !key.startsWith(prefixOf(owner)));
}

/** Forget everything, and keep no more: a page that is about to close would write down again what it shows. */
export function forgetKept() {
  owner = "";
  forget(() => true);
}

function forget(isForgotten) {
  for (const name of ["localStorage", "sessionStorage"]) {
    attempt(() => {
      for (const key of Object.keys(window[name])) {
        if (key.startsWith(PREFIX) && isForgotten(key)) window[name].removeItem(key);
      }
    });
  }
}

/**
 * Make a place for things of one kind, each under an id.
 *
 * @param {"localStorage" | "sessionStorage"} name whether they are for all tabs, or for this one.
 * @param {string} kind
 */
export function shelf(name, kind) {
  const keyOf = (id) => `${prefixOf(owner)}${kind} ${id}`;
  const read = (key) => attempt(() => JSON.parse(window[name].getItem(key))) ?? null;
  return {
    /** Return what is kept, or null. */
    get: (id) => read(keyOf(id)),
    /** Return all that is kept, in no order. */
    all: () => (attempt(() => Object.keys(window[name])) ?? []).filter((key) => key.startsWith(keyOf(""))).map(read),
    /** Keep something, or no longer if it is null. */
    set(id, value) {
      if (!owner) return;
      const text = JSON.stringify(value);
      attempt(() => {
        if (value === null) window[name].removeItem(keyOf(id));
        else if (window[name].getItem(keyOf(id)) !== text) window[name].setItem(keyOf(id), text);
      });
    },
  };
}

/** Some browsers keep nothing. There, things live as long as they are shown. */
function attempt(work) {
  try {
    return work();
  } catch {
    return undefined;
  }
}
