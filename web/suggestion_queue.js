// A bar over the page while suggested slices are gone through: which one it is, the next, the one before.

import { el } from './dom.js';

export class SuggestionQueue {
  #items = [];
  #at = 0;
  #text = el('span', { role: 'status' });
  #previous = el('button', { type: 'button', title: 'Suggested slice before (,)', onclick: () => this.#go(this.#at - 1) }, 'Before');
  #next = el('button', { type: 'button', class: 'primary', title: 'Next suggested slice (.)', onclick: () => this.#go(this.#at + 1) }, 'Next');
  #onOpen;

  // onOpen(slice) shows it.
  constructor({ onOpen }) {
    this.#onOpen = onOpen;
    this.element = el('div', { class: 'queue', role: 'region', 'aria-label': 'Suggested slices', hidden: true },
      this.#text, this.#previous, this.#next,
      el('button', { type: 'button', class: 'quiet', 'aria-label': 'Leave the suggestions', onclick: () => this.#leave() }, '\u00d7'));
  }

  begin(items, at = 0) {
    this.#items = items;
    this.#go(at);
  }

  // 'next' or 'previous', by key.
  command(name) {
    if (this.element.hidden) return;
    this.#go(this.#at + (name === 'next' ? 1 : -1));
  }

  #leave() {
    this.#items = [];
    this.element.hidden = true;
  }

  #go(at) {
    if (at >= this.#items.length) {
      this.#leave();
      return;
    }
    if (at < 0) return;
    this.#at = at;
    this.element.hidden = false;
    this.#text.textContent = `Suggested slice ${at + 1} of ${this.#items.length}`;
    this.#previous.disabled = at === 0;
    this.#next.textContent = at + 1 === this.#items.length ? 'Done' : 'Next';
    this.#onOpen(this.#items[at]);
  }
}
