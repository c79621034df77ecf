// What to annotate next: slices whose mask is worth most, or slices without a label, as a list to go through.

import { listSlices, suggest, thumbnailUrl } from './api.js';
import { app } from './app.js';
import { choice, el } from './dom.js';
import { count, number } from './format.js';
import { PredictionJob } from './prediction_job.js';
import { report } from './toast.js';

const WORK = [
  ['annotate', 'Draw', 'Slices with a lesion that has not been drawn'],
  ['label', 'Label', 'Slices of which nobody has said whether there is a lesion'],
];
/** @type {[import('./types').Strategy, string, string][]} */
const STRATEGIES = [
  ['random', 'By chance', 'Any slice without a mask'],
  ['uncertainty', 'Uncertain', 'Where the active model is least sure what is lesion and what is not'],
  ['disagreement', 'Disagreeing', 'Where what the active model segments and what it would take away differ most'],
];
const LIMIT = 24;

export class SuggestionsView {
  #work = 'annotate';
  /** @type {import('./types').Strategy} */
  #strategy = 'random';
  #seed = Math.floor(Math.random() * 1e9); // another order at each visit, the same within one
  #items = [];
  #asked = 0;
  #dataset = el('select', { id: 'suggest-dataset', onchange: () => this.#load() });
  #choice = choice('What to do', WORK, (work) => {
    this.#work = work;
    this.#load();
  });
  #by = choice('In which order', STRATEGIES, (strategy) => {
    this.#strategy = strategy;
    this.#load();
  });
  #list = el('ol', { class: 'suggestions', 'aria-label': 'Suggested slices' });
  #note = el('p', { class: 'muted', role: 'status' });
  #begin = el('button', { type: 'button', class: 'primary', onclick: () => this.#go(0) }, 'Begin with the first');
  #predictions = new PredictionJob({ onDone: () => this.#load() });
  #onBegin;

  // onBegin(slices, at): slices to go through one after the other, beginning at `at`.
  constructor({ onBegin }) {
    this.#onBegin = onBegin;
    this.#choice.choose(this.#work);
    this.#by.choose(this.#strategy);
    this.element = el('section', { class: 'suggestions-view page' },
      el('header', { class: 'page-header' },
        el('div', {}, el('h1', {}, 'What next'), el('p', { class: 'muted' }, 'One slice after the other: the next one is a key away (.).')),
        this.#begin),
      el('div', { class: 'suggest-bar' },
        el('div', { class: 'inline-field' }, el('label', { for: 'suggest-dataset' }, 'Data set'), this.#dataset),
        this.#choice, this.#by, this.#note, this.#predictions.element),
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
    this.#by.hidden = this.#work !== 'annotate';
    if (!dataset) return;
    try {
      const show = await (this.#work === 'annotate' ? this.#suggestions(dataset) : this.#unlabelled(dataset));
      if (asked === this.#asked) show();
    } catch (error) {
      if (asked !== this.#asked) return;
      this.#show([], '');
      report(error, 'The slices could not be listed');
    }
  }

  async #suggestions(dataset) {
    const answer = await suggest({ dataset, strategy: this.#strategy, label: 'presence', limit: LIMIT, seed: this.#seed });
    return () => {
      const slices = answer.items.map(({ slice }) => slice);
      this.#show(slices, slices.length ? `${count(slices.length)}${slices.length === LIMIT ? ', perhaps of more' : ''}`
        : 'Every presence slice has a mask.', answer.items.map(({ score }) => score));
      const needs = this.#strategy !== 'random' && answer.model;
      this.#predictions.show(needs ? { dataset, predicted: answer.predicted, total: answer.total } : null);
      if (this.#strategy !== 'random' && !answer.model) this.#note.textContent = 'Without an active model the order is the age.';
    };
  }

  async #unlabelled(dataset) {
    const { items, next_cursor: more } = await listSlices({ dataset, label: 'unknown', limit: LIMIT });
    return () => {
      this.#show(items, items.length ? `${count(items.length)}${more ? ' of more' : ''}, oldest first` : 'Every slice has a label.');
      this.#predictions.show(null);
    };
  }

  #go(at) {
    this.#onBegin(this.#items, at);
  }

  #show(items, note, scores = []) {
    this.#items = items;
    this.#note.textContent = note;
    this.#begin.disabled = !items.length;
    this.#list.replaceChildren(...items.map((slice, i) => el('li', {}, el('button', {
      type: 'button', class: 'suggestion', 'data-id': slice.id, onclick: () => this.#go(i),
    },
    el('img', { src: thumbnailUrl(slice.id, 192), alt: '', loading: 'lazy' }),
    el('span', { class: 'suggestion-text' },
      el('strong', {}, `${i + 1}. ${slice.name || slice.case || slice.id}`),
      el('span', { class: 'muted' }, [slice.label, Number.isFinite(scores[i]) && `score ${number(scores[i], 3)}`]
        .filter(Boolean).join(' \u00b7 ')))))));
  }
}
