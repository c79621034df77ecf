// What to annotate next: presence slices without a mask, or slices without a label, as a list to go through.

import { imageUrl, listSlices } from './api.js';
import { app } from './app.js';
import { choice, el } from './dom.js';
import { count } from './format.js';
import { report } from './toast.js';

/** @type {[string, string, string, import('./types').Query<'/v1/slices', 'get'>][]} */
const WORK = [
  ['annotate', 'Draw', 'Slices with a lesion that has not been drawn', { label: 'presence', annotated: false }],
  ['label', 'Label', 'Slices of which nobody has said whether there is a lesion', { label: 'unknown' }],
];
const LIMIT = 24;

export class SuggestionsView {
  #work = 'annotate';
  #items = [];
  #asked = 0;
  #dataset = el('select', { id: 'suggest-dataset', onchange: () => this.#load() });
  #choice = choice('What to do', WORK, (work) => {
    this.#work = work;
    this.#load();
  });
  #list = el('ol', { class: 'suggestions', 'aria-label': 'Suggested slices' });
  #note = el('p', { class: 'muted', role: 'status' });
  #begin = el('button', { type: 'button', class: 'primary', onclick: () => this.#go(0) }, 'Begin with the first');
  #onBegin;

  // onBegin(slices, at): slices to go through one after the other, beginning at `at`.
  constructor({ onBegin }) {
    this.#onBegin = onBegin;
    this.#choice.choose(this.#work);
    this.element = el('section', { class: 'suggestions-view page' },
      el('header', { class: 'page-header' },
        el('div', {}, el('h1', {}, 'What next'), el('p', { class: 'muted' }, 'One slice after the other: the next one is a key away (.).')),
        this.#begin),
      el('div', { class: 'suggest-bar' },
        el('div', { class: 'inline-field' }, el('label', { for: 'suggest-dataset' }, 'Data set'), this.#dataset), this.#choice, this.#note),
      el('div', { class: 'scroll' }, this.#list));
  }

  async open(preferred) {
    try {
      await app.refreshDatasets();
    } catch (error) {
      report(error, 'The data could not be listed');
      return;
    }
    const wished = this.#dataset.value || preferred;
    this.#dataset.replaceChildren(...app.datasets.map(({ name }) => el('option', { value: name }, name)));
    if (app.dataset(wished)) this.#dataset.value = wished;
    await this.#load();
  }

  async #load() {
    const asked = ++this.#asked;
    const dataset = this.#dataset.value;
    this.#show([], dataset ? 'Looking\u2026' : 'There is no data set yet.');
    if (!dataset) return;
    const [, , , filters] = WORK.find(([work]) => work === this.#work);
    try {
      const { items, next_cursor: more } = await listSlices({ dataset, ...filters, limit: LIMIT });
      if (asked !== this.#asked) return;
      this.#show(items, items.length ? `${count(items.length)}${more ? ' of more' : ''}, oldest first`
        : this.#work === 'annotate' ? 'Every presence slice has a mask.' : 'Every slice has a label.');
    } catch (error) {
      if (asked !== this.#asked) return;
      this.#show([], '');
      report(error, 'The slices could not be listed');
    }
  }

  #go(at) {
    this.#onBegin(this.#items, at);
  }

  #show(items, note) {
    this.#items = items;
    this.#note.textContent = note;
    this.#begin.disabled = !items.length;
    this.#list.replaceChildren(...items.map((slice, i) => el('li', {}, el('button', {
      type: 'button', class: 'suggestion', 'data-id': slice.id, onclick: () => this.#go(i),
    },
    el('img', { src: imageUrl(slice.id), alt: '', loading: 'lazy' }),
    el('span', { class: 'suggestion-text' },
      el('strong', {}, `${i + 1}. ${slice.name || slice.case || slice.id}`),
      el('span', { class: 'muted' }, slice.label))))));
  }
}
