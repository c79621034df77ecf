// What was computed for slices, kept for a while so that going back and forth asks the server nothing.

import * as api from './api.js';
import { added, loadAnnotation, loadPixels, pixelsOfNpy, valuesOfPng } from './pixels.js';
import { decodeRle } from './rle.js';

const OUTPUTS = /** @type {const} */ (['translated', 'residual']);
const MOST = 96; // entries kept; the least recently used goes first

class Results {
  #entries = new Map();

  async #once(key, make) {
    if (this.#entries.has(key)) {
      const value = this.#entries.get(key);
      this.#entries.delete(key);
      this.#entries.set(key, value);
      return value;
    }
    const value = await make();
    this.#entries.set(key, value);
    if (this.#entries.size > MOST) this.#entries.delete(this.#entries.keys().next().value);
    return value;
  }

  // Its annotation changed.
  forgetAnnotation(sliceId) {
    this.#entries.delete(`annotation ${sliceId}`);
  }

  pixels(slice, signal) {
    return this.#once(`pixels ${slice.id}`, () => loadPixels(slice, signal));
  }

  // null when the slice has none.
  annotation(slice, signal) {
    if (!slice.annotated) return Promise.resolve(null);
    return this.#once(`annotation ${slice.id}`, () => loadAnnotation(slice.id, signal));
  }

  // Lesion probabilities, [H*W].
  probabilities(slice, model, signal) {
    return this.#once(`segment ${model.id} ${slice.id}`,
      async () => pixelsOfNpy(await api.segment(slice.id, signal)).data);
  }

  // Presence to absence: { translated, residual, reconstruction }, each [C,H,W].
  removal(slice, model, signal) {
    return this.#once(`remove ${model.id} ${slice.id}`, async () => {
      const [translated, residual] = await Promise.all(OUTPUTS.map(
        async (output) => pixelsOfNpy(await api.removeLesion(slice.id, output, signal))));
      return { translated, residual, reconstruction: added(translated, residual) };
    });
  }

  // Absence to presence with one seed: { translated, residual }.
  addition(slice, model, seed, signal) {
    return this.#once(`add ${model.id} ${slice.id} ${seed}`, async () => {
      const [translated, residual] = await Promise.all(OUTPUTS.map(
        async (output) => pixelsOfNpy(await api.addLesion(slice.id, seed, output, signal))));
      return { translated, residual };
    });
  }

  // wish: { seed, count, channel } -> [{ seed, values, mask }, ...], arrays of H*W.
  samples(slice, model, wish, signal) {
    return this.#once(`sample ${model.id} ${slice.id} ${Object.values(wish).join(' ')}`,
      async () => Promise.all((await api.sample(slice.id, wish, signal)).samples.map(
        async ({ seed, image, mask }) => ({ seed, values: await valuesOfPng(image), mask: decodeRle(mask) }))));
  }

  // wish: { from, to, steps, channel } -> [{ from, to, channel, seed or null, t, values, residual, mask, pictures }, ...], the
  // frames between the samples of two seeds; `pictures` are the PNGs themselves, in base64.
  way(slice, model, wish, signal) {
    return this.#once(`way ${model.id} ${slice.id} ${[wish.from, wish.to, wish.steps, wish.channel].join(' ')}`,
      async () => Promise.all((await api.interpolate(slice.id, wish, signal)).samples.map(
        async ({ seed, t, image, residual, mask }) => ({
          from: wish.from, to: wish.to, channel: wish.channel, seed, t, values: await valuesOfPng(image), residual: await valuesOfPng(residual),
          mask: decodeRle(mask), pictures: { translated: image.png, residual: residual.png },
        }))));
  }
}

export const results = new Results();
