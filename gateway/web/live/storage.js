// Keeps messages that wait to be sent in IndexedDB, where every tab finds them and a reload can't lose them.

const STORE = "outbox";

let opened;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("paperplane", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

async function inStore(mode, work) {
  const database = await open();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(STORE, mode);
    const request = work(transaction.objectStore(STORE));
    transaction.oncomplete = () => resolve(request?.result);
    transaction.onabort = () => reject(transaction.error);
  });
}

/** Add a message, or replace the one with its id. Resolves once it is stored. */
export const put = (item) => inStore("readwrite", (store) => store.put(item));

/** Remove a message. */
export const remove = (id) => inStore("readwrite", (store) => store.delete(id));

/** Remove everything, of everyone. */
export const clear = () => inStore("readwrite", (store) => store.clear());

/** Return a person's messages in the order in which they were written. */
export async function list(owner) {
  const items = await inStore("readonly", (store) => store.getAll());
  return items.filter((item) => item.owner === owner).sort((a, b) => a.writtenAt - b.writtenAt);
}

/** Remove what is not this person's. */
export async function keepOnly(owner) {
  const items = await inStore("readonly", (store) => store.getAll());
  for (const item of items) if (item.owner !== owner) await remove(item.id);
}
