// One slice: its picture with the segmentation over it, and beside it what the model makes of it
// (remove_mode.js, samples.js). Loads for the slice shown last only; painting never asks the server.

import { app } from './app.js';
import { additionPicture, isAbort, removalPicture } from './api.js';
import { ChannelsMode } from './channels_mode.js';
import { Controls } from './controls.js';
import { debounced, el } from './dom.js';
import { range, sharedWindow } from './colormap.js';
import { modelName, number, percent } from './format.js';
import { keyLegend, maskKey } from './legend.js';
import { dice, thresholded } from './mask.js';
import { Panel } from './panel.js';
import { blobOfPng, normalized, plane } from './pixels.js';
import { Reading } from './reading.js';
import { RemoveMode } from './remove_mode.js';
import { results } from './results.js';
import { AddMode } from './samples.js';
import { saveAs } from './save.js';
import { Stage } from './stage.js';

const SETTLE_MS = 90; // leafing through quickly asks for nothing in between

// Why the model cannot be asked about this slice; '' when it can.
function obstacleOf(slice, model) {
  if (!model) return 'No active model. Train one, or activate one under Models.';
  const size = ({ channels, height, width }) => `${channels} \u00d7 ${height} \u00d7 ${width}`;
  return size(slice) === size(model.input) ? ''
    : `The active model takes ${size(model.input)} (channels, height, width), this slice is ${size(slice)}.`;
}

export class SliceView {
  /** @type {import('./types').Slice | null} */
  #slice = null;
  #modeName = 'remove';
  #loading = new AbortController();
  #data = {}; // of the slice: pixels (model range), annotation, probabilities
  #controls;
  #stage = new Stage(el('div', { class: 'stage' }));
  #readout = el('p', { class: 'readout' });
  #answering = el('p', { class: 'answering' });
  #panel;
  #modes;
  #reading = new Reading({
    element: this.#stage.element,
    onPaint: () => this.#paint(),
    onShow: (window, zoom) => this.#controls.showView(window, zoom),
  });
  #loadSoon = debounced(SETTLE_MS, () => this.#load());

  // onLabel(slice, label) sets the weak label; onAnnotate() opens the shown slice for drawing.
  constructor({ onLabel, onAnnotate }) {
    const make = (what) => {
      const panel = new Panel({
        ...what,
        onCursor: (x, y) => this.#pointAt(x, y),
        onEnlarge: () => this.#stage.enlarge(panel.element),
        gestures: this.#reading.gestures,
      });
      return panel;
    };
    this.#panel = make({ name: 'slice', title: 'Slice' });
    this.#modes = {
      remove: new RemoveMode(make, (output) => this.#save(removalPicture(this.#slice.id, output, this.#channel), output)),
      add: new AddMode(make, () => this.#again(),
        {
          onSave: (seed, output) => this.#save(additionPicture(this.#slice.id, seed, output, this.#channel), `seed-${seed}-${output}`),
          onSaveFrame: (png, what) => this.#save(new Response(blobOfPng(png)), what),
        }),
      channels: new ChannelsMode(make),
    };
    this.#controls = new Controls({
      onPaint: () => this.#paint(),
      onChannel: () => this.#again(),
      onCompare: (mode) => {
        for (const each of Object.values(this.#modes)) each.setCompare(mode);
        this.#paint();
      },
      onPixelated: (on) => this.#stage.element.classList.toggle('pixelated', on),
      onMode: (name) => this.#enter(name),
      onReset: () => this.#reading.reset(),
      onLabel: (label) => this.#slice && onLabel(this.#slice, label),
      onAnnotate,
    });
    this.element = el('section', { class: 'slice-view', 'aria-label': 'Slice' },
      this.#controls.header, this.#controls.toolbar, this.#stage.element,
      el('div', { class: 'statusbar' }, this.#readout, this.#controls.view, this.#answering));
    app.addEventListener('active', () => this.#slice && this.show(this.#slice));
    app.addEventListener('models', () => this.#showModel());
    this.#pointAt(null);
  }

  get slice() {
    return this.#slice;
  }

  get threshold() {
    return this.#controls.values.threshold;
  }

  focusAnnotate() {
    this.#controls.annotate.focus();
  }

  show(slice) {
    const isElsewhere = slice.dataset !== this.#slice?.dataset;
    this.#slice = slice;
    this.#data = {};
    this.#controls.showSlice(slice);
    if (isElsewhere) this.#reading.reset();
    const staysWithChannels = this.#modeName === 'channels' && slice.channels > 1;
    this.#enter(staysWithChannels ? 'channels' : slice.label === 'absence' ? 'add' : 'remove');
  }

  // Its label changed; everything computed stays.
  relabel(slice) {
    if (slice.id !== this.#slice?.id) return;
    this.#slice = slice;
    this.#controls.showSlice(slice);
  }

  // What a key does here; see keys.js.
  command(name, key) {
    if (name === 'next-seeds') return this.#modeName === 'add' && this.#modes.add.next();
    if (name === 'between') return this.#modeName === 'add' && this.#modes.add.between();
    if (name === 'mode') return this.#enter(this.#modeName === 'add' ? 'remove' : 'add');
    if (name === 'channels') return this.#slice.channels > 1 && this.#enter(this.#modeName === name ? 'remove' : name);
    if (this.#reading.command(name, key)) return undefined;
    if (name === 'enlarge') return this.#stage.enlargeNext();
    if (name === 'back') return this.#stage.isEnlarged && this.#stage.enlarge(null);
    return this.#controls.command(name);
  }

  get #mode() {
    return this.#modes[this.#modeName];
  }

  get #panels() {
    const { channels } = this.#modes;
    return this.#mode === channels ? channels.arrange(this.#panel, this.#channel) : [this.#panel, ...this.#mode.panels];
  }

  get #channel() {
    return this.#controls.values.channel;
  }

  #save(answer, what) {
    saveAs(() => answer, [this.#slice.name || this.#slice.case || this.#slice.id, what]);
  }

  #enter(name) {
    this.#modeName = name;
    this.#controls.showMode(name);
    this.#loading.abort();
    this.element.setAttribute('aria-busy', 'true');
    const { width, height } = this.#slice;
    this.#modes.channels.prepare(this.#slice);
    for (const mode of Object.values(this.#modes)) mode.reset();
    for (const panel of this.#panels) {
      panel.setSize(width, height);
      if (panel === this.#panel && this.#data.original) continue;
      panel.clear();
      panel.setMessage(panel === this.#panel || !this.#mode.needsModel ? 'Loading\u2026' : 'Computing\u2026', 'busy');
    }
    this.#arrange();
    this.#loadSoon();
  }

  #arrange() {
    this.#stage.setPanels(this.#panels.map(({ element }) => element), this.#slice.width / this.#slice.height);
  }

  // Another sample, other seeds or another channel of the same slice.
  async #again() {
    const { signal } = this.#loading;
    this.#arrange();
    if (!this.#data.original || !this.#mode.needsModel || obstacleOf(this.#slice, app.active)) return;
    this.element.setAttribute('aria-busy', 'true');
    await this.#loadMode(this.#slice, app.active, signal);
    if (!signal.aborted) this.element.setAttribute('aria-busy', 'false');
  }

  async #load() {
    this.#loading = new AbortController();
    const { signal } = this.#loading;
    await this.#loadAll(this.#slice, app.active, signal);
    if (!signal.aborted) this.element.setAttribute('aria-busy', 'false');
  }

  // The picture first, then what the model says; each part is shown as it arrives.
  async #loadAll(slice, model, signal) {
    try {
      const [pixels, annotation] = await Promise.all(
        [results.pixels(slice, signal), results.annotation(slice, signal)]);
      if (signal.aborted) return;
      const normalization = model?.input.normalization ?? app.dataset(slice.dataset)?.normalization;
      Object.assign(this.#data, { original: normalized(pixels, normalization), annotation });
      this.#paint();
    } catch (error) {
      this.#fail(this.#panels, error, signal);
      return;
    }
    const obstacle = obstacleOf(slice, model);
    if (obstacle) {
      if (this.#mode.needsModel) for (const panel of this.#mode.panels) panel.setMessage(obstacle);
      return;
    }
    await Promise.all([this.#loadSegmentation(slice, model, signal), this.#loadMode(slice, model, signal)]);
  }

  async #loadSegmentation(slice, model, signal) {
    try {
      const probabilities = await results.probabilities(slice, model, signal);
      if (signal.aborted) return;
      this.#data.probabilities = probabilities;
      this.#paint();
    } catch (error) {
      if (isAbort(error) || signal.aborted) return;
      this.#data.refusal = error.message;
      this.#paint();
    }
  }

  async #loadMode(slice, model, signal) {
    const mode = this.#mode;
    const { channel } = this.#controls.values;
    try {
      await mode.load({ slice, model, channel, signal });
      if (!signal.aborted) this.#paint();
    } catch (error) {
      this.#fail(mode.panels, error, signal);
    }
  }

  // Said where the picture would be: leafing through slices must not pile up toasts.
  #fail(panels, error, signal) {
    if (isAbort(error) || signal.aborted) return;
    for (const panel of panels) panel.setMessage(error.message, 'bad');
  }

  #paint() {
    const { original, annotation, probabilities, refusal } = this.#data;
    if (!original) return;
    const { threshold, opacity, truth, channel } = this.#controls.values;
    const shown = plane(original, Math.min(channel, original.channels - 1));
    const made = this.#mode.generated(channel);
    const window = this.#reading.setOwnWindow(made ? sharedWindow(shown, made) : range(shown));
    this.#panel.setTitle(this.#modeName === 'channels' ? `Channel ${channel + 1}` : 'Slice');
    this.#panel.drawGray(shown, window);
    const keys = [];
    const notes = [];
    let mask = null;
    if (probabilities) {
      const segmented = thresholded(probabilities, threshold);
      const { area } = segmented;
      mask = segmented.mask;
      this.#panel.drawMask(mask, opacity);
      keys.push(maskKey());
      if (annotation) notes.push(`Dice ${number(dice(mask, annotation), 2)}`);
      notes.push(`${area} px`);
    } else {
      this.#panel.drawMask(null, 0);
      if (refusal) notes.push('not segmented');
    }
    this.#panel.drawTruth(annotation && truth ? annotation.map((value) => (value > 127 ? 1 : 0)) : null);
    if (annotation) keys.push(['truth', 'annotated']);
    this.#panel.setNote(notes.join(' \u00b7 '), refusal);
    this.#panel.setFooter(keyLegend(keys));
    if (made || !this.#mode.needsModel) {
      const windowOf = (own) => this.#reading.windowOf(own);
      this.#mode.paint({ original: shown, pixels: original, window, windowOf, channel, opacity, mask, probabilities });
    }
  }

  #pointAt(x, y) {
    for (const panel of this.#panels) panel.setCursor(x, y);
    if (x === null) {
      this.#readout.textContent = 'Point at a picture to read its values';
      return;
    }
    const { original, probabilities } = this.#data;
    if (!original) return;
    const i = y * original.width + x;
    const values = [['x', x], ['y', y], ['intensity', number(plane(original, this.#controls.values.channel)[i], 2)]];
    if (probabilities) values.push(['probability', percent(probabilities[i])]);
    values.push(...this.#mode.valuesAt(i));
    this.#readout.replaceChildren(...values.map(([name, value]) =>
      el('span', {}, el('b', {}, name), String(value))));
  }

  #showModel() {
    const model = app.active;
    this.#answering.textContent = model ? `Answered by ${modelName(model)}` : 'No active model';
  }
}
