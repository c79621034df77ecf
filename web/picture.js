// A small picture: gray values, a tinted mask over them, the outline of a mask drawn by a person. Smaller
// than a Panel, for places that show many; knows no API.

import { paintGray } from './colormap.js';
import { el, svg } from './dom.js';
import { outline } from './mask.js';

const MASK_RGBA = [255, 176, 0, 120];

function paint(canvas, fillPixels) {
  const context = canvas.getContext('2d');
  const image = context.createImageData(canvas.width, canvas.height);
  fillPixels(image.data);
  context.putImageData(image, 0, 0);
}

export class Picture {
  #base = el('canvas', { class: 'base' });
  #tint = el('canvas', { class: 'tint' });
  #maskLine = svg('path', { class: 'mask-line' });
  #truthLine = svg('path', { class: 'truth-line' });
  #lines = svg('svg', { class: 'lines', 'aria-hidden': 'true', preserveAspectRatio: 'none' }, this.#maskLine, this.#truthLine);
  #message = el('span', { class: 'message', hidden: true });

  // isMirrored: shown the other way round. Both halves of a brain are stored with the midline at their right
  // edge; looked at side by side, the left one has it at its left.
  constructor({ label, isMirrored = false }) {
    this.element = el('div', { class: `picture${isMirrored ? ' mirrored' : ''}`, role: 'img', 'aria-label': label },
      this.#base, this.#tint, this.#lines, this.#message);
  }

  set label(text) {
    this.element.setAttribute('aria-label', text);
  }

  // values, mask and truth: [H*W]; mask and truth null for none. window: [black, white].
  draw({ width, height, values, window, mask = null, truth = null }) {
    this.#message.hidden = true;
    this.element.style.aspectRatio = `${width} / ${height}`;
    for (const canvas of [this.#base, this.#tint]) {
      if (canvas.width !== width) canvas.width = width;
      if (canvas.height !== height) canvas.height = height;
    }
    paint(this.#base, (rgba) => paintGray(values, ...window, rgba));
    paint(this.#tint, (rgba) => {
      for (let i = 0; mask && i < mask.length; i++) {
        if (mask[i]) rgba.set(MASK_RGBA, 4 * i);
      }
    });
    this.#lines.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.#maskLine.setAttribute('d', mask ? outline(mask, width, height) : '');
    this.#truthLine.setAttribute('d', truth ? outline(truth.map((value) => value > 127), width, height) : '');
  }

  fail(text) {
    this.#message.hidden = false;
    this.#message.textContent = text;
  }
}
