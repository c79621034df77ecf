// The same few validation slices as a training goes: one sheet per validation, the latest by itself.

import { address, ask } from './api.js';
import { el } from './dom.js';
import { count } from './format.js';

const ROWS = { image: 'image', mask: 'mask as drawn', probability: 'probability (generated)', healthy: 'healthy (generated)' };

export class TrainingPanel {
  #job = '';
  #steps = [];
  #isAsking = false;
  #isStale = false; // something came while it was asked
  #isLatest = true; // the newest is shown when it comes
  #picture = el('img', { alt: '' });
  #slider = el('input', { type: 'range', min: 0, step: 1, 'aria-label': 'Validation', oninput: () => this.#choose() });
  #text = el('span', { role: 'status' });
  #rows = el('ol', { class: 'panel-rows' });

  constructor() {
    this.element = el('figure', { class: 'training-panel', hidden: true },
      el('figcaption', {}, this.#text, this.#slider),
      el('div', { class: 'panel-sheet' }, this.#rows, this.#picture));
  }

  // Of another job, or the same again.
  async show(job) {
    if (job !== this.#job) {
      this.#job = job;
      this.#steps = [];
      this.#isLatest = true;
      this.element.hidden = true;
    }
    await this.refresh();
  }

  // A validation was made.
  async refresh() {
    this.#isStale = this.#isAsking;
    if (this.#isAsking) return;
    this.#isAsking = true;
    const job = this.#job;
    try {
      const panel = await ask('get', '/v1/jobs/{id}/panel', { path: { id: job } });
      if (job === this.#job) this.#draw(panel);
    } catch {
      // The curves go on without pictures; the next validation asks again.
    }
    this.#isAsking = false;
    if (this.#isStale) await this.refresh();
  }

  /** @param {import('./types').Answer<'/v1/jobs/{id}/panel', 'get'>} panel */
  #draw({ steps, rows, slices }) {
    this.element.hidden = !steps.length;
    if (!steps.length) return;
    const at = Number(this.#slider.value);
    this.#steps = steps.map(({ step }) => step);
    this.#slider.max = String(steps.length - 1);
    this.#slider.value = String(this.#isLatest ? steps.length - 1 : Math.min(at, steps.length - 1));
    this.#slider.hidden = steps.length < 2;
    this.#rows.replaceChildren(...rows.map((row) => el('li', {}, ROWS[row])));
    this.#picture.title = slices.join(', ');
    this.#load();
  }

  #choose() {
    this.#isLatest = Number(this.#slider.value) === this.#steps.length - 1;
    this.#load();
  }

  #load() {
    const step = this.#steps[Number(this.#slider.value)];
    this.#text.textContent = `Validation slices at step ${count(step)}`;
    this.#slider.setAttribute('aria-valuetext', `step ${step}`);
    this.#slider.style.setProperty('--fill', `${(100 * Number(this.#slider.value)) / Math.max(1, this.#steps.length - 1)}%`);
    this.#picture.alt = `${this.#text.textContent}: ${[...this.#rows.children].map((row) => row.textContent).join(', ')}`;
    const source = address('get', '/v1/jobs/{id}/panel/{step}', { path: { id: this.#job, step: String(step) } });
    if (this.#picture.getAttribute('src') !== source) this.#picture.src = source;
  }
}
