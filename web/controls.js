// The controls around a slice: its label, what is shown, and how. Holds their values; paints nothing.

import { readOnlyWithout } from './access.js';
import { choice, el, slider, toggle } from './dom.js';
import { number, percent } from './format.js';

const STEP = 0.05; // of the threshold, per key

export class Controls {
  values = { threshold: 0.5, opacity: 0.45, truth: true, channel: 0, compare: 'off', pixelated: false };

  #title = el('h1', {}, '');
  #facts = el('p', { class: 'facts' });
  #calls;

  constructor(calls) {
    this.#calls = calls;
    this.label = choice('Weak label', [
      ['presence', 'Presence', 'A lesion is in this slice (p)'],
      ['absence', 'Absence', 'No lesion in this slice (a)'],
      ['unknown', 'Unknown', 'Not known (u)'],
    ], calls.onLabel);
    this.label.classList.add('labels');
    readOnlyWithout(this.label, 'annotate');
    this.mode = choice('What to show', [
      ['remove', 'Remove lesion', 'Healthy translation and residual (m)'],
      ['add', 'Add lesions', 'Samples of lesions in this slice (m)'],
      ['channels', 'Channels', 'All channels of this slice side by side (c)'],
    ], calls.onMode);
    this.annotate = el('button', { type: 'button', class: 'annotate', 'data-needs': 'annotate', title: 'Draw the mask (d)', onclick: calls.onAnnotate }, 'Annotate');
    this.#makeToolbar();
    this.header = el('header', { class: 'slice-header' },
      el('div', { class: 'slice-name' }, this.#title, this.#facts), this.label, this.mode, this.annotate);
  }

  #makeToolbar() {
    this.threshold = slider({
      label: 'Threshold', id: 'threshold', min: 0.01, max: 0.99, step: 0.01, value: this.values.threshold,
      format: (value) => value.toFixed(2), onInput: (threshold) => this.#set({ threshold }),
    });
    this.opacity = slider({
      label: 'Overlay', id: 'opacity', min: 0, max: 1, step: 0.05, value: this.values.opacity,
      format: percent, onInput: (opacity) => this.#set({ opacity }),
    });
    this.compare = choice('Compare with the original', [
      ['off', 'Result', 'The generated image alone'],
      ['swipe', 'Swipe', 'Drag a divider over the original (s)'],
      ['blink', 'Blink', 'Original and generated in turn (space)'],
      ['difference', 'Difference', 'Original minus generated (i)'],
    ], (mode) => this.#setCompare(mode));
    this.compare.choose('off');
    this.truth = toggle({
      label: 'Annotation', id: 'truth', checked: true, onChange: (truth) => this.#set({ truth }),
    });
    this.pixelated = toggle({
      label: 'Pixelated', id: 'pixelated', checked: false, onChange: (on) => this.#setPixelated(on),
    });
    this.channel = el('select', {
      id: 'channel', onchange: () => {
        this.#set({ channel: Number(this.channel.value) });
        this.#calls.onChannel();
      },
    });
    this.channelField = el('div', { class: 'inline-field', hidden: true },
      el('label', { for: 'channel' }, 'Channel'), this.channel);
    this.view = el('button', { type: 'button', class: 'quiet view-state', title: 'Show all of it, in its own range of gray (0)', onclick: () => this.#calls.onReset() });
    this.toolbar = el('div', { class: 'toolbar', role: 'toolbar', 'aria-label': 'Display' },
      this.threshold, this.opacity, this.compare, this.truth, this.pixelated, this.channelField);
  }

  /** @param {import('./types').Slice} slice */
  showSlice(slice) {
    const place = slice.index === null ? '' : ` \u00b7 slice ${slice.index}`;
    this.#title.textContent = slice.name || slice.case || slice.id;
    this.#title.title = slice.id;
    const where = slice.name && slice.case ? `${slice.case}${place} \u00b7 ` : '';
    this.#facts.textContent = `${where}${slice.width} \u00d7 ${slice.height}${slice.annotated ? ' \u00b7 annotated' : ''}`;
    this.label.choose(slice.label);
    this.channelField.hidden = slice.channels < 2;
    this.mode.querySelector('[data-value=channels]').hidden = slice.channels < 2;
    if (this.channel.options.length !== slice.channels) {
      this.channel.replaceChildren(...Array.from({ length: slice.channels }, (_, channel) =>
        el('option', { value: channel }, String(channel + 1))));
      this.values.channel = 0;
    }
    document.getElementById('truth')?.toggleAttribute('disabled', !slice.annotated);
  }

  // window: null for the picture's own.
  showView(window, zoom) {
    const shown = window ? `${number(window[0], 2)} to ${number(window[1], 2)}` : 'own range';
    this.view.textContent = `Gray: ${shown} \u00b7 ${percent(zoom)}`;
    this.view.disabled = !window && zoom === 1;
  }

  showMode(name) {
    this.mode.choose(name);
  }

  command(name) {
    const { threshold, compare, truth, pixelated } = this.values;
    if (['blink', 'swipe', 'difference'].includes(name)) this.#setCompare(compare === name ? 'off' : name);
    else if (name === 'truth') this.#press(this.truth, !truth, (on) => this.#set({ truth: on }));
    else if (name === 'pixelated') this.#press(this.pixelated, !pixelated, (on) => this.#setPixelated(on));
    else if (name === 'threshold-up') this.#slide(threshold + STEP);
    else if (name === 'threshold-down') this.#slide(threshold - STEP);
    else this.#calls.onLabel(name);
  }

  #set(change) {
    Object.assign(this.values, change);
    this.#calls.onPaint();
  }

  #setCompare(compare) {
    this.values.compare = compare;
    this.compare.choose(compare);
    this.#calls.onCompare(compare);
  }

  #setPixelated(pixelated) {
    this.values.pixelated = pixelated;
    this.#calls.onPixelated(pixelated);
  }

  #press(element, on, then) {
    element.querySelector('input').checked = on;
    then(on);
  }

  #slide(value) {
    const input = this.threshold.querySelector('input');
    input.value = value;
    input.dispatchEvent(new Event('input'));
  }
}
