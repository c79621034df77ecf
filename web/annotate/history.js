// Who drew what, when: the masks a slice had. One that is chosen is shown over the drawing and can be restored.

import { app } from '../app.js';
import { el } from '../dom.js';
import { modelName, when } from '../format.js';
import { outline } from '../mask.js';
import { report } from '../toast.js';
import { listHistory, loadVersion } from './exchange.js';
import { TARGET } from './raster.js';

// Models may be gone since.
function nameOf(id) {
  const model = app.models.find((one) => one.id === id);
  return model ? modelName(model) : id;
}

export class HistoryPanel {
  #list = el('ol', { class: 'annotate-entries' });
  #nothing = el('p', { class: 'muted', hidden: true }, 'No mask was saved yet.');
  #restore = el('button', { type: 'button', class: 'primary', disabled: true, onclick: () => this.#on.restore(this.#chosen) }, 'Restore');
  #on;
  #slice = null;
  #chosen = null;

  // on: { show(path or null): the border of a mask, restore(entry) }
  constructor(on) {
    this.#on = on;
    this.element = el('section', { class: 'annotate-history', 'aria-label': 'History of the mask', hidden: true },
      el('header', {}, el('h2', {}, 'History'), this.#restore),
      el('p', { class: 'muted' }, 'A chosen mask is shown as a dashed line. Restoring keeps all others.'), this.#nothing, this.#list);
  }

  get isOpen() {
    return !this.element.hidden;
  }

  toggle(slice) {
    this.element.hidden = this.isOpen;
    if (this.isOpen) this.load(slice);
    else this.#choose(null);
  }

  async load(slice) {
    this.#slice = slice;
    this.#choose(null);
    try {
      const entries = await listHistory(slice.id);
      if (this.#slice !== slice) return;
      this.#nothing.hidden = entries.length > 0;
      this.#list.replaceChildren(...entries.map((entry) => el('li', {}, this.#row(entry))));
    } catch (error) {
      report(error, 'The history could not be read');
    }
  }

  #row(entry) {
    const isRemoval = entry.action === 'removed';
    return el('button', {
      type: 'button', 'data-id': entry.id, 'aria-pressed': 'false', disabled: isRemoval,
      onclick: () => this.#choose(entry),
    }, el('span', { class: 'author' }, entry.author), el('span', { class: 'muted' }, when(entry.created_at)),
    el('span', { class: `pill ${entry.current ? 'good' : ''}` }, isRemoval ? 'taken away' : entry.current ? 'current' : 'earlier'),
    entry.began_with && el('span', { class: 'muted origin' }, `began with model ${nameOf(entry.began_with)}`));
  }

  async #choose(entry) {
    this.#chosen = entry;
    for (const row of this.#list.querySelectorAll('button')) row.setAttribute('aria-pressed', String(row.dataset.id === entry?.id));
    this.#restore.disabled = !entry || entry.current;
    this.#on.show(null);
    if (!entry) return;
    const { width, height, id } = this.#slice;
    try {
      const mask = await loadVersion(id, entry.id);
      if (this.#chosen === entry) this.#on.show(outline(mask.map((value) => (value === TARGET ? 1 : 0)), width, height));
    } catch (error) {
      report(error, 'The mask could not be read');
    }
  }
}
