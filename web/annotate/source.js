// What is drawn on: one channel of a slice, and what the model says of it.

import { app } from '../app.js';
import { range } from '../colormap.js';
import { thresholded } from '../mask.js';
import { plane } from '../pixels.js';
import { results } from '../results.js';
import { BACKGROUND, TARGET } from './raster.js';

export class Source {
  #pixels;
  #channel;

  // channel(): the one that is shown.
  constructor(slice, pixels, channel) {
    this.slice = slice;
    this.#pixels = pixels;
    this.#channel = channel;
  }

  // { width, height, values, window }, as surfaces and pictures take it.
  get shown() {
    const { width, height } = this.slice;
    const values = plane(this.#pixels, Math.min(this.#channel(), this.#pixels.channels - 1));
    return { width, height, values, window: range(values) };
  }

  // One number in 0...1 per pixel.
  get intensities() {
    const { values, window: [low, high] } = this.shown;
    return values.map((value) => (value - low) / (high - low || 1));
  }

  // Why the active model has no prediction; '' when it has.
  get obstacle() {
    if (!app.active) return 'No model is active.';
    const { channels, height, width } = app.active.input;
    const { slice } = this;
    return channels === slice.channels && height === slice.height && width === slice.width ? ''
      : 'The active model takes slices of another size.';
  }

  // The mask that the active model gives at a threshold, and the model's id.
  async prediction(threshold, signal) {
    const { active } = app;
    const probabilities = await results.probabilities(this.slice, active, signal);
    return { mask: thresholded(probabilities, threshold).mask.map((bit) => (bit ? TARGET : BACKGROUND)), model: active.id };
  }
}
