// How the pictures of a slice are looked at: which part of them, and which values are black and white. One for
// all pictures of the stage; pointer and keys change it.

import { draggedWindow, Viewport } from './viewport.js';

const ZOOM_STEP = 1.25; // per key
const PAN_STEP = 0.1; // parts of the frame, per key
const WINDOW_STEP = 0.1; // as if dragged by these parts, per key
const ZOOMS = { 'zoom-in': ZOOM_STEP, 'zoom-out': 1 / ZOOM_STEP };
const WINDOWS = {
  'window-narrower': [-WINDOW_STEP, 0], 'window-wider': [WINDOW_STEP, 0],
  'level-lower': [0, -WINDOW_STEP], 'level-higher': [0, WINDOW_STEP],
};
const PANS = {
  'Shift+ArrowLeft': [PAN_STEP, 0], 'Shift+ArrowRight': [-PAN_STEP, 0],
  'Shift+ArrowUp': [0, PAN_STEP], 'Shift+ArrowDown': [0, -PAN_STEP],
};

export class Reading {
  /** @type {[number, number] | null} chosen black and white; null: the picture's own */
  #window = null;
  /** @type {[number, number]} */
  #own = [0, 1];
  #viewport;
  #element;
  #onPaint;
  #onShow;
  #painting = 0;

  // The element gets the style of the viewport. onPaint(): grays changed. onShow(window, zoom): say so.
  constructor({ element, onPaint, onShow }) {
    this.#element = element;
    this.#onPaint = onPaint;
    this.#onShow = onShow;
    this.#viewport = new Viewport(() => this.#show());
    this.gestures = {
      onWindow: (x, y) => this.#drag(x, y),
      onPan: (x, y) => this.#viewport.pan(x, y),
      onZoom: (factor, x, y) => this.#viewport.zoomBy(factor, x, y),
    };
  }

  // The window to paint with, given the one that a picture would have by itself.
  windowOf(own) {
    return this.#window ?? own;
  }

  // The same for the picture whose values a drag begins with.
  setOwnWindow(own) {
    this.#own = own;
    return this.windowOf(own);
  }

  reset() {
    this.#window = null;
    this.#viewport.reset();
    this.#paintSoon();
  }

  // What a key does; true when it was for this.
  command(name, key) {
    if (name in ZOOMS) this.#viewport.zoomBy(ZOOMS[name]);
    else if (name in WINDOWS) this.#drag(...WINDOWS[name]);
    else if (name === 'pan') this.#viewport.pan(...PANS[key]);
    else if (name === 'view-reset') this.reset();
    else return false;
    return true;
  }

  #drag(byX, byY) {
    this.#window = draggedWindow(this.#window ?? this.#own, this.#own, byX, byY);
    this.#paintSoon();
    this.#show();
  }

  #show() {
    for (const [name, value] of Object.entries(this.#viewport.properties)) this.#element.style.setProperty(name, value);
    this.#element.classList.toggle('zoomed', !this.#viewport.isWhole);
    this.#onShow(this.#window, this.#viewport.zoom);
  }

  // Pointers move more often than pictures are shown.
  #paintSoon() {
    this.#painting ||= requestAnimationFrame(() => {
      this.#painting = 0;
      this.#onPaint();
    });
  }
}
