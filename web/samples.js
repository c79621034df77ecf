// "Add lesions": what lesions could look like in this slice. A grid of samples, one per seed, and the
// chosen one large with its mask and its residual.

import { paintGray, symmetricLimit } from './colormap.js';
import { el, svg } from './dom.js';
import { number, signed } from './format.js';
import { keyLegend, signedLegend } from './legend.js';
import { outline } from './mask.js';
import { paint } from './panel.js';
import { plane } from './pixels.js';
import { results } from './results.js';

const SAMPLES = 9;
const LEAST_RESIDUAL = 0.05; // of the gray window, as for the removal
const FIRST_SEED = 1;
const LAST_SEED = 2 ** 31 - SAMPLES;

export class AddMode {
  needsModel = true;
  #sample;
  #residual;
  #grid;
  #picture = el('div', { class: 'view sample-grid', role: 'radiogroup', 'aria-label': 'Samples by seed' });
  #message = el('div', { class: 'message', hidden: true });
  #seed = el('input', {
    type: 'number', id: 'seed', min: 0, max: LAST_SEED, step: 1, value: FIRST_SEED, 'aria-label': 'First seed',
  });
  #samples = [];
  #chosen = 0;
  #planes = null;
  #onChange;

  // onChange(): another seed was asked for or chosen; the owner loads and paints again. onSave(seed, output) saves
  // what the server answers for the chosen sample.
  constructor(make, onChange, onSave) {
    this.#onChange = onChange;
    this.#sample = make({ name: 'sample', title: 'Sample', generated: true, onSave: () => this.#save(onSave, 'translated') });
    this.#residual = make({ name: 'residual', title: 'Residual', generated: true, onSave: () => this.#save(onSave, 'residual') });
    this.#seed.addEventListener('change', () => this.#start(Number(this.#seed.value)));
    this.#grid = {
      element: el('figure', { class: 'panel', 'data-panel': 'grid' },
        el('figcaption', {}, el('span', { class: 'title' }, 'Samples')),
        el('div', { class: 'frame' }, this.#picture, el('span', { class: 'generated' }, 'generated'), this.#message),
        el('div', { class: 'legend seeds' }, el('label', { for: 'seed' }, 'Seeds'), this.#seed,
          el('button', { type: 'button', onclick: () => this.next(), title: 'Nine further seeds (n)' }, 'Next 9'))),
      setSize: () => {},
      setCursor: () => {},
      clear: () => {},
      setMessage: (text, kind = '') => {
        this.#message.hidden = !text;
        this.#message.className = `message ${kind}`;
        this.#message.textContent = text;
      },
    };
    this.panels = [this.#sample, this.#residual, this.#grid];
  }

  next() {
    this.#start(Number(this.#seed.value) + SAMPLES);
  }

  #save(onSave, output) {
    if (this.#samples.length) onSave(this.#samples[this.#chosen].seed, output);
  }

  async load({ slice, model, channel, signal }) {
    const wish = { seed: Number(this.#seed.value), count: SAMPLES, channel };
    const samples = await results.samples(slice, model, wish, signal);
    if (signal.aborted) return;
    if (samples !== this.#samples) this.#show(samples, slice);
    this.outputs = await results.addition(slice, model, samples[this.#chosen].seed, signal);
  }

  reset() {
    this.outputs = null;
    this.#planes = null;
    this.#samples = [];
    this.#chosen = 0;
    this.#picture.replaceChildren();
  }

  // The gray picture to window with the original; null before there is one.
  generated(channel) {
    return this.outputs && plane(this.outputs.translated, channel);
  }

  paint({ original, window, channel, opacity }) {
    const { seed, mask } = this.#samples[this.#chosen];
    const translated = plane(this.outputs.translated, channel);
    const residual = plane(this.outputs.residual, channel);
    const limit = symmetricLimit(residual, LEAST_RESIDUAL * (window[1] - window[0]));
    this.#planes = { translated, residual };
    this.#sample.setTitle(`Seed ${seed}`);
    this.#sample.drawGray(translated, window);
    this.#sample.drawOther(original, window);
    this.#sample.drawDifference(original.map((value, i) => value - translated[i]), limit);
    this.#sample.drawMask(mask, opacity);
    this.#sample.setNote(`${mask.reduce((sum, bit) => sum + bit, 0)} px`);
    this.#sample.setFooter(keyLegend([['mask', 'where the model finds it']]));
    this.#residual.drawSigned(residual, limit);
    this.#residual.setFooter(signedLegend(limit));
    this.#picture.querySelectorAll('canvas').forEach((canvas, i) =>
      paint(canvas, (rgba) => paintGray(this.#samples[i].values, ...window, rgba)));
    this.#grid.setMessage('');
  }

  setCompare(mode) {
    this.#sample.setCompare(mode);
  }

  valuesAt(i) {
    if (!this.#planes) return [];
    return [['sample', number(this.#planes.translated[i], 2)], ['residual', signed(this.#planes.residual[i])]];
  }

  #start(seed) {
    const usable = Number.isInteger(seed) && seed >= 0 ? Math.min(seed, LAST_SEED) : FIRST_SEED;
    this.#seed.value = usable;
    this.reset();
    this.#onChange();
  }

  #choose(index) {
    this.#chosen = index;
    [...this.#picture.children].forEach((tile, i) => {
      tile.setAttribute('aria-checked', String(i === index));
      tile.tabIndex = i === index ? 0 : -1;
    });
    this.#onChange();
  }

  #show(samples, slice) {
    this.reset();
    this.#samples = samples;
    this.#picture.replaceChildren(...samples.map((sample, index) => this.#tile(sample, index, slice)));
  }

  #tile({ seed, mask }, index, { width, height }) {
    const shape = outline(mask, width, height);
    return el('div', {
      class: 'sample-tile', role: 'radio', 'aria-checked': String(index === 0), tabindex: index === 0 ? 0 : -1,
      'aria-label': `Seed ${seed}`, 'data-seed': seed, title: `Seed ${seed}`,
      onclick: () => this.#choose(index),
      onkeydown: (event) => {
        if (event.key !== 'Enter') return;
        this.#choose(index);
        event.preventDefault();
      },
    },
    el('canvas', { width, height }),
    svg('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      svg('path', { class: 'mask-line', d: shape })),
    el('span', { class: 'seed', 'aria-hidden': 'true' }, String(seed)));
  }
}
