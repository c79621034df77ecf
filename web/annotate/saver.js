// Keeps a drawing: as a draft in this browser after every edit, on the server when asked. Whatever goes wrong, the
// draft stays. Dispatches 'state'.
//
//   saved --edit--> draft --save()--> saving --> saved
//                     ^                 |--> away (no answer; sent again when the server is back)
//                     '---- edit -------|--> failed (refused; `problem` says why)
//                                       '--> conflict (somebody else saved; resolve() decides)

import { connection, Unreachable } from '../api.js';
import { debounced } from '../dom.js';
import { drafts } from './drafts.js';
import { saveMask } from './exchange.js';

const KEEP_MS = 250; // after the last edit
const NOT_MET = 412;
const GONE = 404;

const alike = (a, b) => a.every((value, i) => value === b[i]);

export class Saver extends EventTarget {
  state = 'saved';
  problem = null; // of 'failed' and 'conflict'
  #keepSoon = debounced(KEEP_MS, () => this.keep());
  #stop = new AbortController();

  // author(): a name or ''. onSaved(slice) once the server has it.
  constructor({ slice, drawing, base, author, onSaved }) {
    super();
    this.slice = slice;
    this.drawing = drawing;
    this.base = base;
    this.author = author;
    this.onSaved = onSaved;
    const { signal } = this.#stop;
    drawing.addEventListener('changed', () => this.#edited(), { signal });
    connection.addEventListener('back', () => this.state === 'away' && this.save(), { signal });
    for (const leaving of ['pagehide', 'visibilitychange']) window.addEventListener(leaving, () => this.keep(), { signal });
  }

  // No more drafts, and nothing is sent again.
  dispose() {
    this.#stop.abort();
  }

  get isUnsaved() {
    return this.state !== 'saved';
  }

  #enter(state, problem = null) {
    this.state = state;
    this.problem = problem;
    this.dispatchEvent(new Event('state'));
  }

  #edited() {
    this.#keepSoon();
    if (this.state !== 'saving') this.#enter(this.state === 'away' ? 'away' : 'draft');
  }

  // Writes the draft now.
  async keep() {
    if (!this.isUnsaved || this.#stop.signal.aborted) return;
    const { slice, drawing, base } = this;
    const { width, height } = drawing;
    const wasLasting = drafts.isLasting;
    await drafts.put({ slice: slice.id, name: slice.name || slice.case || slice.id, width, height, mask: drawing.mask.slice(), base, began: drawing.began, at: Date.now() });
    if (drafts.isLasting !== wasLasting && this.state === 'draft') this.#enter('draft'); // its words are others
  }

  async save() {
    if (this.state === 'saving') return;
    const { slice, drawing, base } = this;
    const sent = drawing.mask.slice();
    const { began } = drawing;
    this.#enter('saving');
    await this.keep();
    try {
      const { width, height } = drawing;
      const entry = await saveMask(slice.id, { mask: sent, width, height, base, began, author: this.author() });
      await this.settle(entry.sha256, sent, began);
    } catch (error) {
      if (error instanceof Unreachable) this.#enter('away');
      else this.#enter(error.status === NOT_MET ? 'conflict' : 'failed', error);
    }
  }

  // The server has `stored` now, whose digest is `base`.
  async settle(base, stored, began) {
    this.base = base;
    if (alike(stored, this.drawing.mask) && began === this.drawing.began) {
      this.#enter('saved');
      await drafts.remove(this.slice.id);
    } else {
      this.#enter('draft'); // drawn on meanwhile
      await this.keep();
    }
    this.onSaved(this.slice);
  }

  // What becomes of a conflict: 'mine' overwrites, 'theirs' takes { mask, base, began } over, '' leaves it.
  async resolve(answer, theirs) {
    if (answer === 'mine') {
      this.base = theirs.base;
      this.#enter('draft');
      await this.save();
    } else if (answer === 'theirs') {
      const mask = theirs.mask ?? new Uint8Array(this.drawing.mask.length);
      this.drawing.replace(mask, theirs.began);
      await this.settle(theirs.base, mask, theirs.began);
    } else {
      this.#enter('draft');
    }
  }
}

// The state in words.
export function stateText({ state, base, problem }) {
  const kept = drafts.isLasting ? 'kept in this browser' : 'kept until this page is closed';
  return {
    saved: base ? 'Saved' : 'Nothing saved yet',
    draft: `Not saved, ${kept}`,
    saving: 'Saving\u2026',
    away: `The server does not answer. Your drawing is ${kept} and is sent again when it is back.`,
    failed: `Not saved: ${problem?.status === GONE ? 'the slice was deleted' : problem?.message}. Your drawing is ${kept}.`,
    conflict: `Not saved: somebody else saved meanwhile. Your drawing is ${kept}.`,
  }[state];
}
