// A volume as a stack: one level at a time, a slider, the wheel and keys through it, grays by drag, the mask that
// the active model sees, and what is known of each slice.

import { app } from './app.js';
import { isAbort } from './api.js';
import { debounced, el, slider, toggle } from './dom.js';
import { modelName, number } from './format.js';
import { watchGestures } from './gestures.js';
import { dice, thresholded } from './mask.js';
import { Picture } from './picture.js';
import { Reading } from './reading.js';
import { plane } from './pixels.js';
import { results } from './results.js';
import { report } from './toast.js';
import { levelsOf, windowOf } from './volume_plan.js';
import { volumeSlices } from './volumes_api.js';

const SETTLE_MS = 90; // leafing through quickly asks for nothing in between
const MOST_CHANNELS = 16;
const STEPS = { next: 1, previous: -1, down: 10, up: -10 }; // levels, by key

export class VolumeStack {
  #levels = [];
  #at = 0;
  #volume = null;
  #window = []; // of the volume and channel, by itself
  #drawn = null; // { slices, level } as last drawn
  #showsMask = true;
  #threshold = 0.5;
  #loading = new AbortController();
  #pictures = el('div', { class: 'stack-pictures' });
  #level = el('input', { id: 'volume-level', type: 'range', min: 0, step: 1, 'aria-label': 'Level', oninput: () => this.#go(Number(this.#level.value)) });
  #where = el('output', { class: 'stack-where', for: 'volume-level' });
  #facts = el('ul', { class: 'stack-facts' });
  #channel = el('select', { id: 'volume-channel', 'aria-label': 'Channel', onchange: () => this.#changed() });
  #note = el('p', { class: 'muted', 'aria-live': 'polite' });
  #grays = el('button', { type: 'button', class: 'quiet', id: 'volume-grays', title: 'In the volume\u2019s own range of gray (0)', onclick: () => this.#reading.reset() });
  #reading = new Reading({
    element: this.#pictures,
    onPaint: () => this.#draw(),
    onShow: (window) => this.#showGrays(window),
  });
  #soon = debounced(SETTLE_MS, () => this.#load());
  #onOpen;

  // onOpen(slice): the slice is to be looked at closely.
  constructor({ onOpen }) {
    this.#onOpen = onOpen;
    this.element = el('section', { class: 'stack', 'aria-label': 'Slices of the volume' },
      el('div', { class: 'stack-bar' }, this.#level, this.#where, this.#channel,
        toggle({ label: 'Mask', id: 'volume-mask', checked: true, onChange: (on) => { this.#showsMask = on; this.#soon(); } }),
        slider({ label: 'Threshold', id: 'volume-threshold', min: 0.01, max: 0.99, step: 0.01, value: 0.5, format: (value) => value.toFixed(2),
          onInput: (value) => { this.#threshold = value; this.#soon(); } }), this.#grays),
      this.#pictures, this.#facts, this.#note);
    // Halves of a level lie side by side: there is no one picture to zoom.
    watchGestures(this.#pictures, {
      onWindow: this.#reading.gestures.onWindow, onPan() {}, onZoom() {}, onWheel: (direction) => this.#go(this.#at + direction),
    });
    this.#showGrays(null);
    app.addEventListener('active', () => this.#volume && this.#soon());
  }

  // What a key does here; see keys.js.
  command(name, key) {
    if (name in STEPS) this.#go(this.#at + STEPS[name]);
    else this.#reading.command(name, key);
  }

  async show(volume) {
    this.#loading.abort();
    this.#volume = volume;
    this.#levels = [];
    this.#drawn = null;
    this.#pictures.replaceChildren();
    this.#facts.replaceChildren();
    this.#note.textContent = 'The slices are being listed\u2026';
    try {
      const slices = await volumeSlices(volume.id);
      if (this.#volume !== volume) return;
      this.#levels = levelsOf(slices);
    } catch (error) {
      report(error, 'The slices could not be listed');
      return;
    }
    this.#channel.hidden = volume.channels < 2;
    this.#channel.replaceChildren(...Array.from({ length: Math.min(volume.channels, MOST_CHANNELS) },
      (_, i) => el('option', { value: i }, `Channel ${i + 1}`)));
    this.#level.max = Math.max(0, this.#levels.length - 1);
    this.#note.textContent = this.#levels.length ? '' : 'No slice of this volume is stored: none shows enough of the organ, or they were deleted.';
    this.element.classList.toggle('empty-stack', !this.#levels.length);
    await this.#changed(Math.floor(this.#levels.length / 2));
  }

  // Another volume or channel: its window is made of three levels, so that brightness does not jump.
  async #changed(at = this.#at) {
    if (!this.#levels.length) return;
    const volume = this.#volume;
    const channel = Number(this.#channel.value || 0);
    try {
      const places = [0.3, 0.5, 0.7].map((part) => this.#levels[Math.floor(part * (this.#levels.length - 1))].slices[0]);
      const planes = await Promise.all(places.map(async (slice) => plane(await results.pixels(slice), channel)));
      if (volume !== this.#volume) return;
      this.#window = windowOf(planes);
      this.#reading.setOwnWindow(this.#window);
      this.#reading.reset();
    } catch (error) {
      report(error, 'The slices could not be loaded');
      return;
    }
    this.#go(at);
  }

  #go(wish) {
    if (!this.#levels.length) return;
    this.#at = Math.min(this.#levels.length - 1, Math.max(0, wish));
    this.#level.value = this.#at;
    this.#level.style.setProperty('--fill', `${(100 * this.#at) / Math.max(1, this.#levels.length - 1)}%`);
    const { level, slices } = this.#levels[this.#at];
    this.#level.setAttribute('aria-valuetext', `level ${level}`);
    this.#where.textContent = `level ${level} \u2013 ${this.#at + 1} of ${this.#levels.length}`;
    this.#facts.replaceChildren(...slices.map((slice) => el('li', {},
      slice.part && el('span', { class: 'muted' }, `${slice.part} half`),
      el('span', { class: `pill ${slice.label}` }, slice.label),
      slice.annotated && el('span', { class: 'pill' }, 'annotated'),
      el('button', { type: 'button', 'data-open': slice.id, onclick: () => this.#onOpen(slice) }, 'Look closely'))));
    this.#soon();
  }

  async #load() {
    if (!this.#levels.length || !this.#window.length) return;
    this.#loading.abort();
    this.#loading = new AbortController();
    const { signal } = this.#loading;
    const { slices, level } = this.#levels[this.#at];
    const model = app.active;
    const fits = model && ['channels', 'height', 'width'].every((side) => model.input[side] === slices[0][side]);
    this.element.setAttribute('aria-busy', 'true');
    try {
      const drawn = await Promise.all(slices.map(async (slice) => {
        const [pixels, truth, probabilities] = await Promise.all([
          results.pixels(slice, signal), results.annotation(slice, signal),
          this.#showsMask && fits ? results.probabilities(slice, model, signal) : null]);
        return { slice, pixels, truth, mask: probabilities && thresholded(probabilities, this.#threshold) };
      }));
      if (signal.aborted) return;
      this.#drawn = { slices: drawn, level };
      this.#draw();
      this.#note.replaceChildren(...!this.#showsMask ? []
        : !model ? ['No model is active: no mask.']
          : !fits ? [`${modelName(model)} takes images of another size: no mask.`] : this.#summary(drawn, model));
    } catch (error) {
      if (!isAbort(error)) this.#note.textContent = error.message;
    }
    if (!signal.aborted) this.element.setAttribute('aria-busy', 'false');
  }

  #summary(drawn, model) {
    const area = drawn.reduce((sum, { mask }) => sum + mask.area, 0);
    const scores = drawn.filter(({ truth }) => truth).map(({ truth, mask }) => `Dice ${number(dice(mask.mask, truth), 2)}`);
    return [el('span', { class: 'generated' }, 'generated'), ` Mask by ${[modelName(model), `${area} px`, ...scores].join(' \u00b7 ')}`];
  }

  #showGrays(window) {
    this.#grays.textContent = `Gray: ${window ? `${number(window[0], 2)} to ${number(window[1], 2)}` : 'own range'}`;
    this.#grays.disabled = !window;
  }

  #draw() {
    if (!this.#drawn) return;
    const { slices: drawn, level } = this.#drawn;
    const window = this.#reading.windowOf(this.#window);
    const channel = Number(this.#channel.value || 0);
    this.#pictures.replaceChildren(...drawn.map(({ slice, pixels, truth, mask }) => {
      const picture = new Picture({ label: `Level ${level}${slice.part ? `, ${slice.part} half` : ''}${mask ? `, mask of ${mask.area} pixels` : ''}`, isMirrored: slice.part === 'left' });
      picture.draw({ width: pixels.width, height: pixels.height, values: plane(pixels, channel), window, mask: mask?.area ? mask.mask : null, truth });
      return picture.element;
    }), ...(drawn.length > 1 ? ['R', 'L'].map((side) => el('span', { class: `side ${side}`, 'aria-hidden': 'true' }, side)) : []));
    this.#pictures.dataset.level = level;
  }
}
