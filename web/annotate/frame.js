// What stands around the drawing area: title, state, buttons. Passes commands on.

import { debounced, el } from '../dom.js';

const AUTHOR = 'genseg-author'; // in localStorage
const AUTHOR_LONGEST = 128;
const SPEAK_MS = 120;

export class Frame {
  title = el('h1', {}, '');
  status = el('p', { class: 'annotate-status', role: 'status' });
  counts = el('p', { class: 'annotate-counts' });
  #spoken = el('p', { class: 'annotate-spoken', 'aria-live': 'polite' });
  #author = el('input', { id: 'annotate-author', maxlength: AUTHOR_LONGEST, placeholder: 'anonymous', autocomplete: 'name' });

  // Read out to those who do not see the drawing.
  speak = debounced(SPEAK_MS, (text) => { this.#spoken.textContent = text; });

  // bar, surface, history: elements.
  constructor(command, { bar, surface, history }) {
    const button = (name, text, title, attributes = {}) =>
      el('button', { type: 'button', title, onclick: () => command(name), ...attributes }, text);
    this.undo = button('undo', 'Undo', 'Undo (ctrl z)');
    this.redo = button('redo', 'Redo', 'Redo (ctrl y)');
    this.save = button('save', 'Save', 'Save (ctrl s)', { class: 'primary' });
    this.#author.value = localStorage.getItem(AUTHOR) ?? '';
    this.#author.addEventListener('change', () => localStorage.setItem(AUTHOR, this.author));
    this.element = el('section', { class: 'annotator', 'aria-label': 'Annotate', hidden: true },
      el('header', { class: 'slice-header' },
        el('div', { class: 'slice-name' }, this.title, this.counts), this.status,
        el('div', { class: 'inline-field' }, el('label', { for: 'annotate-author' }, 'Drawn by'), this.#author),
        this.undo, this.redo, button('history', 'History', 'Masks this slice had (y)', { 'data-open': 'history' }),
        button('download', 'Download', 'The drawing as PNG'), this.save,
        button('close', 'Close', 'Back to the slice (esc)', { class: 'quiet', 'data-open': 'slice' })),
      bar, el('div', { class: 'annotate-room' }, surface, history),
      el('p', { class: 'annotate-how', id: 'annotate-how' },
        'Wheel or [ ]: size. Ctrl and wheel, + and \u2212, or two fingers: zoom. Middle button or two fingers: move. Arrows and Enter draw too.'),
      this.#spoken);
  }

  get author() {
    return this.#author.value.trim();
  }
}
