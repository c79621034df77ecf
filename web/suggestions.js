// What to annotate next: the slices of which a model is least sure, or any, as a list to begin with.

import { imageUrl } from './api.js';
import { app } from './app.js';
import { choice, el } from './dom.js';
import { count, modelName, number } from './format.js';
import { suggest } from './suggestions_api.js';
import { report } from './toast.js';

const STRATEGIES = [
  ['', 'Recommended', 'The server\u2019s choice'],
  ['disagreement', 'Disagreement', 'Mask and residual differ most'],
  ['uncertainty', 'Uncertainty', 'Probabilities are closest to one half'],
  ['random', 'Random', 'Any slice, drawn by a seed'],
];
const LIMIT = 12;

export class SuggestionsView {
  #strategy = '';
  #items = [];
  #asked = 0;
  #dataset = el('select', { id: 'suggest-dataset', onchange: () => this.#load() });
  #choice = choice('Strategy', STRATEGIES, (strategy) => {
    this.#strategy = strategy;
    this.#load();
  });
  #list = el('ol', { class: 'suggestions', 'aria-label': 'Suggested slices' });
  #note = el('p', { class: 'muted', role: 'status' });
  #begin = el('button', { type: 'button', class: 'primary', onclick: () => this.#go(0) }, 'Begin with the first');
  #onBegin;

  // onBegin(slices, at): slices to go through one after the other, beginning at `at`.
  constructor({ onBegin }) {
    this.#onBegin = onBegin;
    this.#choice.choose('');
    this.element = el('section', { class: 'suggestions-view page' },
      el('header', { class: 'page-header' },
        el('div', {}, el('h1', {}, 'What to annotate next'), el('p', { class: 'muted' }, 'Label or annotate one after the other; the next one is a key away (.).')),
        this.#begin),
      el('div', { class: 'suggest-bar' },
        el('div', { class: 'inline-field' }, el('label', { for: 'suggest-dataset' }, 'Data set'), this.#dataset), this.#choice, this.#note),
      el('div', { class: 'scroll' }, this.#list));
  }

  async open(preferred) {
    try {
      await Promise.all([app.refreshDatasets(), app.refreshModels()]);
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
    try {
      const answer = await suggest({ dataset, strategy: this.#strategy, limit: LIMIT });
      if (asked === this.#asked) this.#show(answer.items, this.#remark(answer), answer.strategy);
    } catch (error) {
      if (asked !== this.#asked) return;
      this.#show([], error.message);
      if (error.status !== 409) report(error, 'Nothing could be suggested');
    }
  }

  #remark({ items, strategy, model, predicted, total }) {
    if (!items.length) return 'Nothing is left: every slice is annotated or labelled absence.';
    const by = app.models.find(({ id }) => id === model);
    return [
      strategy === 'random' ? 'In random order' : `By ${strategy}${by ? ` of ${modelName(by)}` : ''}`,
      Number.isFinite(predicted) && Number.isFinite(total) && predicted < total && `${count(predicted)} of ${count(total)} slices predicted so far`,
    ].filter(Boolean).join(' \u00b7 ');
  }

  #go(at) {
    this.#onBegin(this.#items.map(({ slice }) => slice), at);
  }

  #show(items, note, strategy) {
    this.#items = items;
    this.#note.textContent = note;
    this.#begin.disabled = !items.length;
    this.#list.replaceChildren(...items.map(({ slice, score }, i) => el('li', {}, el('button', {
      type: 'button', class: 'suggestion', 'data-id': slice.id, onclick: () => this.#go(i),
    },
    el('img', { src: imageUrl(slice.id), alt: '', loading: 'lazy' }),
    el('span', { class: 'suggestion-text' },
      el('strong', {}, `${i + 1}. ${slice.name || slice.case || slice.id}`),
      el('span', { class: 'muted' }, `${slice.label}${strategy !== 'random' && Number.isFinite(score) ? ` \u00b7 score ${number(score, 3)}` : ''}`))))));
  }
}
