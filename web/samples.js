// "Add lesions": what lesions could look like in this slice. A grid of samples, one per seed, and the
// chosen one large with its mask and its residual; or the frames between two of them instead.

import { symmetricLimit } from './colormap.js';
import { el } from './dom.js';
import { number, signed } from './format.js';
import { keyLegend, signedLegend } from './legend.js';
import { plane } from './pixels.js';
import { results } from './results.js';
import { SampleGrid } from './sample_grid.js';

const SAMPLES = 9;
const STEPS = 9; // of an interpolation: as many as the grid has places
const LEAST_RESIDUAL = 0.05; // of the gray window, as for the removal
const FIRST_SEED = 1;
const LAST_SEED = 2 ** 31 - SAMPLES;

export class AddMode {
  needsModel = true;
  #sample;
  #residual;
  #grid;
  #seed = el('input', {
    type: 'number', id: 'seed', min: 0, max: LAST_SEED, step: 1, value: FIRST_SEED, 'aria-label': 'First seed',
  });
  #samples = []; // or the frames of #way
  #chosen = 0;
  #from = null; // the chosen sample's index, while the other end of a way is asked for
  #way = null; // { from, to }: seeds
  #wayBack = 0; // the sample that was chosen before
  #planes = null;
  #onChange;

  // onChange(): something else was asked for or chosen; the owner loads and paints again. onSave(seed, output) saves
  // what the server answers for the chosen sample, onSaveFrame(base64 PNG, words) what it has answered already.
  constructor(make, onChange, { onSave, onSaveFrame }) {
    this.#onChange = onChange;
    const save = (output) => this.#save(output, onSave, onSaveFrame);
    this.#sample = make({ name: 'sample', title: 'Sample', generated: true, onSave: () => save('translated') });
    this.#residual = make({ name: 'residual', title: 'Residual', generated: true, onSave: () => save('residual') });
    this.#seed.addEventListener('change', () => this.#start(Number(this.#seed.value)));
    this.#grid = new SampleGrid({
      seed: this.#seed, onNext: () => this.next(), onBetween: () => this.between(), onCancel: () => this.#ask(null),
      onChoose: (index) => this.#choose(index),
    });
    this.panels = [this.#sample, this.#residual, this.#grid];
  }

  next() {
    this.#start(Number(this.#seed.value) + SAMPLES);
  }

  // Asks for the other end of a way from the chosen sample; or takes the question back; or leaves the way.
  between() {
    if (!this.#samples.length) return;
    if (this.#way) this.#leaveWay();
    else this.#ask(this.#from === null ? this.#chosen : null);
  }

  #ask(from) {
    this.#from = from;
    this.#grid.ask(from, from === null ? 'Samples' : `From seed ${this.#samples[from].seed} to\u2026`);
  }

  #enterWay(to) {
    const from = this.#from;
    this.#ask(null);
    if (to === from) return;
    this.#way = { from: this.#samples[from].seed, to: this.#samples[to].seed };
    this.#wayBack = from;
    this.#chosen = 0;
    this.#onChange();
  }

  #leaveWay() {
    this.#way = null;
    this.#chosen = this.#wayBack;
    this.#onChange();
  }

  #save(output, onSave, onSaveFrame) {
    const shown = this.#samples[this.#chosen];
    if (!shown) return;
    if (shown.pictures) onSaveFrame(shown.pictures[output], `seeds-${shown.from}-${shown.to}-at-${shown.t}-${output}`);
    else onSave(shown.seed, output);
  }

  async load({ slice, model, channel, signal }) {
    const way = this.#way;
    const wish = { seed: Number(this.#seed.value), count: SAMPLES, channel };
    const samples = await (way ? results.way(slice, model, { ...way, steps: STEPS, channel }, signal)
      : results.samples(slice, model, wish, signal));
    if (signal.aborted || way !== this.#way) return;
    if (samples !== this.#samples) this.#show(samples, slice);
    this.outputs = way ? null : await results.addition(slice, model, samples[this.#chosen].seed, signal);
  }

  reset() {
    this.outputs = null;
    this.#planes = null;
    this.#samples = [];
    this.#chosen = 0;
    this.#way = null;
    this.#from = null;
    this.#grid.show([], { width: 1, height: 1 }, 'Samples', false);
    this.#grid.ask(null, 'Samples');
  }

  // The gray picture to window with the original; null before there is one.
  generated(channel) {
    return this.#shown(channel)?.translated ?? null;
  }

  // { translated, residual } of the enlarged one. A sample's are exact; a frame's come with its picture.
  #shown(channel) {
    const frame = this.#samples[this.#chosen];
    if (frame?.residual) return frame.channel === channel ? { translated: frame.values, residual: frame.residual } : null;
    return this.outputs && { translated: plane(this.outputs.translated, channel), residual: plane(this.outputs.residual, channel) };
  }

  paint({ original, window, channel, opacity }) {
    const { mask } = this.#samples[this.#chosen];
    const { translated, residual } = this.#shown(channel);
    const limit = symmetricLimit(residual, LEAST_RESIDUAL * (window[1] - window[0]));
    this.#planes = { translated, residual };
    this.#sample.setTitle(this.#titleOf(this.#samples[this.#chosen]));
    this.#sample.drawGray(translated, window);
    this.#sample.drawOther(original, window);
    this.#sample.drawDifference(original.map((value, i) => value - translated[i]), limit);
    this.#sample.drawMask(mask, opacity);
    this.#sample.setNote(`${mask.reduce((sum, bit) => sum + bit, 0)} px`);
    this.#sample.setFooter(keyLegend([['mask', 'where the model finds it']]));
    this.#residual.drawSigned(residual, limit);
    this.#residual.setFooter(signedLegend(limit));
    this.#grid.paint(window);
  }

  setCompare(mode) {
    this.#sample.setCompare(mode);
  }

  valuesAt(i) {
    if (!this.#planes) return [];
    return [['sample', number(this.#planes.translated[i], 2)], ['residual', signed(this.#planes.residual[i])]];
  }

  #titleOf({ seed, from, to, t }) {
    return seed === null ? `${from} \u2192 ${to} at ${number(t, 2)}` : `Seed ${seed}`;
  }

  #start(seed) {
    const usable = Number.isInteger(seed) && seed >= 0 ? Math.min(seed, LAST_SEED) : FIRST_SEED;
    this.#seed.value = usable;
    this.reset();
    this.#onChange();
  }

  #choose(index) {
    if (this.#from !== null) return this.#enterWay(index);
    this.#chosen = index;
    this.#grid.choose(index);
    return this.#onChange();
  }

  #show(samples, slice) {
    const way = this.#way;
    this.#samples = samples;
    this.#chosen = Math.min(this.#chosen, samples.length - 1);
    this.#grid.show(samples.map((each) => ({
      ...each, label: this.#titleOf(each), name: way ? number(each.t, 2) : String(each.seed),
    })), slice, way ? `Between seeds ${way.from} and ${way.to}` : 'Samples', way !== null);
    this.#grid.choose(this.#chosen);
  }
}
