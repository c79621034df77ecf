// Models side by side: what they are, how good, what they were trained on, and the same few slices through
// each.

import { isAbort, listSlices, segmentWith } from './api.js';
import { range } from './colormap.js';
import { el } from './dom.js';
import { compact, count, modelName, number, when } from './format.js';
import { dice, thresholded } from './mask.js';
import { Picture } from './picture.js';
import { pixelsOfNpy, plane } from './pixels.js';
import { results } from './results.js';

const EXAMPLES = 4;
const THRESHOLD = 0.5;

const sizeOf = ({ channels, height, width }) => `${channels} \u00d7 ${height} \u00d7 ${width}`;
/** @type {[string, (model: import('./types').Model) => string][]} */
const FACTS = [
  ['Validation Dice', (model) => number(model.metrics?.dice, 3)],
  ['Network', (model) => `${model.preset} \u00d7 ${compact(model.width)}`],
  ['Input', ({ input }) => `${sizeOf(input)}, ${input.normalization}`],
  ['Trained on', ({ dataset }) => dataset?.dataset ?? '\u2013'],
  ['Presence, absence', ({ dataset }) => (dataset ? `${count(dataset.presence)}, ${count(dataset.absence)}` : '\u2013')],
  ['Masks', ({ dataset }) => count(dataset?.annotated)],
  ['Steps', ({ metrics }) => count(metrics?.steps ?? metrics?.step)],
  ['Made', (model) => when(model.created_at)],
];

export class Compare {
  #head = el('thead');
  #rows = el('tbody');
  #note = el('p', { class: 'muted', role: 'status' });
  #loading = new AbortController();

  constructor() {
    this.element = el('section', { class: 'compare', 'aria-label': 'Models side by side', hidden: true },
      el('h2', {}, 'Side by side'), el('div', { class: 'scroll' }, el('table', {}, this.#head, this.#rows)), this.#note);
  }

  // Two models or more; fewer hide it.
  async show(models) {
    this.#loading.abort();
    this.#loading = new AbortController();
    this.element.hidden = models.length < 2;
    if (models.length < 2) return;
    const { signal } = this.#loading;
    this.#head.replaceChildren(el('tr', {}, el('td'), models.map((model) => el('th', { scope: 'col' }, modelName(model)))));
    this.#rows.replaceChildren(...FACTS.map(([name, of]) => el('tr', {}, el('th', { scope: 'row' }, name), models.map((model) => el('td', {}, of(model))))));
    this.#note.textContent = 'Looking for examples\u2026';
    try {
      const slices = await this.#examples(models, signal);
      this.#note.textContent = slices.length ? '' : 'No slice that all of them take.';
      for (const slice of slices) {
        const row = await this.#example(slice, models, signal);
        if (signal.aborted) return;
        this.#rows.append(row);
      }
    } catch (error) {
      if (!isAbort(error) && !signal.aborted) this.#note.textContent = error.message;
    }
  }

  // Of the first model's data: annotated slices held out from training, else annotated ones, else any with a lesion.
  async #examples(models, signal) {
    const dataset = models.find((model) => model.dataset)?.dataset.dataset;
    if (!dataset) return [];
    const found = new Map();
    /** @type {import('./types').Query<'/v1/slices', 'get'>[]} */
    const wishes = [{ split: 'validation', annotated: true }, { annotated: true }, { label: 'presence' }];
    for (const filters of wishes) {
      if (found.size >= EXAMPLES) break;
      const { items } = await listSlices({ dataset, ...filters, limit: EXAMPLES }, signal);
      for (const slice of items) found.set(slice.id, slice);
    }
    return [...found.values()].filter((slice) => models.every(({ input }) => sizeOf(input) === sizeOf(slice))).slice(0, EXAMPLES);
  }

  async #example(slice, models, signal) {
    const [pixels, truth] = await Promise.all([results.pixels(slice, signal), results.annotation(slice, signal)]);
    const values = plane(pixels, 0);
    const cells = await Promise.all(models.map(async (model) => {
      const { data } = pixelsOfNpy(await segmentWith(slice.id, model.id, signal));
      const { mask, area } = thresholded(data, THRESHOLD);
      const score = truth ? `Dice ${number(dice(mask, truth), 2)}` : `${count(area)} px`;
      const picture = new Picture({ label: `${slice.name || slice.id} by ${modelName(model)}: ${score}` });
      picture.draw({ width: pixels.width, height: pixels.height, values, window: range(values), mask: area ? mask : null, truth });
      return el('td', { class: 'example' }, picture.element, el('small', {}, score, ' ', el('span', { class: 'generated' }, 'generated')));
    }));
    return el('tr', { 'data-slice': slice.id }, el('th', { scope: 'row' }, slice.name || slice.case || slice.id), cells);
  }
}
