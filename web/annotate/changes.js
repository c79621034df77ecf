// What edits changed, in memory of a fixed size: undo, redo. Pure.

const PER_RUN = 16; // bytes beside its pixels, about

// The runs in which two masks of one size differ: [{ start, before, after }, ...], before and after being
// Uint8Arrays of the run's length. Empty when they are alike.
export function differences(before, after) {
  const runs = [];
  for (let i = 0; i < after.length; i++) {
    if (before[i] === after[i]) continue;
    const start = i;
    while (i < after.length && before[i] !== after[i]) i++;
    runs.push({ start, before: before.slice(start, i), after: after.slice(start, i) });
  }
  return runs;
}

const bytesOf = (runs) => runs.reduce((sum, { before }) => sum + 2 * before.length + PER_RUN, 0);

export class Changes {
  #done = []; // { runs, bytes, from, to }, the oldest first
  #undone = [];
  #bytes = 0;
  #most;

  // mostBytes: when undo and redo need more, the oldest edits can no longer be taken back.
  constructor(mostBytes) {
    this.#most = mostBytes;
  }

  get canUndo() {
    return this.#done.length > 0;
  }

  get canRedo() {
    return this.#undone.length > 0;
  }

  get bytes() {
    return this.#bytes;
  }

  clear() {
    this.#done = [];
    this.#undone = [];
    this.#bytes = 0;
  }

  // Remembers an edit, and what the mask began with before and after it; false when it changed nothing.
  add(before, after, from = null, to = null) {
    const runs = differences(before, after);
    if (!runs.length && from === to) return false;
    for (const { bytes } of this.#undone) this.#bytes -= bytes;
    this.#undone = [];
    this.#done.push({ runs, bytes: bytesOf(runs), from, to });
    this.#bytes += bytesOf(runs);
    while (this.#bytes > this.#most && this.#done.length > 1) this.#bytes -= this.#done.shift().bytes;
    return true;
  }

  // Takes the last edit back in `mask`. Gives { began }, what it began with then; null when there is none.
  undo(mask) {
    const edit = this.#done.pop();
    if (!edit) return null;
    for (const { start, before } of edit.runs) mask.set(before, start);
    this.#undone.push(edit);
    return { began: edit.from };
  }

  redo(mask) {
    const edit = this.#undone.pop();
    if (!edit) return null;
    for (const { start, after } of edit.runs) mask.set(after, start);
    this.#done.push(edit);
    return { began: edit.to };
  }
}
