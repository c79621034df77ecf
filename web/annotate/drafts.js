// Drawings that are not saved yet, kept in this browser (IndexedDB): { slice (id), name, width, height, mask, base,
// began, at }. base is the digest of the mask they are drawn over, null when there was none; began the model whose
// prediction they began with, or null. Where the browser keeps nothing
// (a private window, a full disk), they last until the page is closed.

const DATABASE = 'genseg';
const STORE = 'drafts';

const kept = new Map(); // instead, when there is no database
let opening;

export const drafts = {
  isLasting: true,

  async put(draft) {
    kept.set(draft.slice, draft);
    await use('readwrite', (store) => store.put(draft));
  },

  // null when there is none.
  async get(slice) {
    return (await use('readonly', (store) => store.get(slice))) ?? kept.get(slice) ?? null;
  },

  async remove(slice) {
    kept.delete(slice);
    await use('readwrite', (store) => store.delete(slice));
  },

  // All, the last one first.
  async all() {
    const stored = (await use('readonly', (store) => store.getAll())) ?? [...kept.values()];
    return stored.sort((a, b) => b.at - a.at);
  },
};

const settled = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

function database() {
  opening ??= (() => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'slice' });
    return settled(request);
  })();
  return opening;
}

// undefined when the database refuses.
async function use(mode, work) {
  try {
    const store = (await database()).transaction(STORE, mode).objectStore(STORE);
    const result = await settled(work(store));
    drafts.isLasting = true;
    return result;
  } catch {
    drafts.isLasting = false;
    return undefined;
  }
}
