// The drawing area: the picture, the mask over it, what tools show. The three values are told apart by colour and
// by pattern: the target is tinted and outlined, what is not annotated is hatched, and where something is, the
// background is dotted. Knows no tools and no server.

import { el } from '../dom.js';
import { paintGray } from '../colormap.js';
import { outline } from '../mask.js';
import { BACKGROUND, NOT_ANNOTATED, TARGET } from './raster.js';
import { Viewport } from './viewport.js';

const TARGET_RGB = '79 216 255';
const SMOOTH_BELOW = 3; // CSS pixels per pixel; single pixels are shown as such above

function canvasOf(width, height) {
  return Object.assign(document.createElement('canvas'), { width, height });
}

// A repeating pattern, `draw(context, size)` making one piece of it.
function patternOf(context, size, draw) {
  const piece = canvasOf(size, size);
  draw(piece.getContext('2d'), size);
  return context.createPattern(piece, 'repeat');
}

function hatch(context, size) {
  for (const shift of [-size, 0, size]) {
    context.moveTo(shift, size);
    context.lineTo(shift + size, 0);
  }
  for (const [style, width] of [['rgb(10 14 20 / 50%)', 2.5], ['rgb(205 214 226 / 80%)', 1]]) { // seen on black and on white
    context.strokeStyle = style;
    context.lineWidth = width;
    context.stroke();
  }
}

function dots(context, size) {
  context.fillStyle = 'rgb(10 14 20 / 75%)';
  context.fillRect(size / 2 - 1, size / 2 - 1, 4, 4);
  context.fillStyle = 'rgb(96 224 200)';
  context.fillRect(size / 2, size / 2, 2, 2);
}

export class Surface {
  viewport = new Viewport();
  opacity = 0.4;
  isMaskShown = true;
  polygon = []; // corners so far
  ring = null; // { x, y, radius }: the brush, in pixels of the picture
  cross = null; // { x, y }: the cursor that keys move
  other = null; // an SVG path: another mask's border, dashed

  #canvas = el('canvas');
  #size = null; // { width, height } of the picture
  #base = null;
  #veils = null; // value -> canvas that is opaque where the mask has the value
  #border = '';
  #mask = null; // when veils and border are of an older one
  #asked = 0;

  constructor() {
    this.element = el('div', {
      class: 'annotate-surface', tabindex: 0, role: 'application', 'aria-label': 'Drawing area',
      'aria-describedby': 'annotate-how',
    }, this.#canvas);
    new ResizeObserver(() => this.#resize()).observe(this.element);
  }

  setPicture({ width, height, values, window: [low, high] }) {
    const isNew = this.#size?.width !== width || this.#size?.height !== height;
    this.#size = { width, height };
    this.#base = canvasOf(width, height);
    const context = this.#base.getContext('2d');
    const image = context.createImageData(width, height);
    paintGray(values, low, high, image.data);
    context.putImageData(image, 0, 0);
    if (isNew) this.fit();
    this.paint();
  }

  // Shows all of the picture.
  fit() {
    if (!this.#size) return;
    this.viewport.fit(this.#size, this.#room);
    this.paint();
  }

  get #room() {
    return { width: this.element.clientWidth || 1, height: this.element.clientHeight || 1 };
  }

  #resize() {
    const { width, height } = this.#room;
    const ratio = devicePixelRatio || 1;
    Object.assign(this.#canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    this.viewport.resize({ width, height });
    this.paint();
  }

  // The mask is another one, or was drawn in.
  setMask(mask) {
    this.#mask = mask;
    this.paint();
  }

  // At most once a frame, however fast a pen reports.
  #update() {
    const mask = this.#mask;
    const { width, height } = this.#size;
    const isPartial = mask.includes(NOT_ANNOTATED);
    this.#veils = new Map([TARGET, NOT_ANNOTATED, BACKGROUND].map((value) => {
      const veil = canvasOf(width, height);
      if (value === TARGET || isPartial) {
        const context = veil.getContext('2d');
        const image = context.createImageData(width, height);
        for (let i = 0; i < mask.length; i++) {
          if (mask[i] === value) image.data[4 * i + 3] = 255;
        }
        context.putImageData(image, 0, 0);
      }
      return [value, veil];
    }));
    this.#border = outline(mask.map((value) => (value === TARGET ? 1 : 0)), width, height);
    this.#mask = null;
  }

  // Draws anew with the next frame.
  paint() {
    cancelAnimationFrame(this.#asked);
    this.#asked = requestAnimationFrame(() => this.#paint());
  }

  #paint() {
    if (!this.#base) return;
    if (this.#mask) this.#update();
    const context = this.#canvas.getContext('2d');
    context.resetTransform();
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    this.#place(context);
    context.imageSmoothingEnabled = this.viewport.scale < SMOOTH_BELOW;
    context.drawImage(this.#base, 0, 0);
    if (this.isMaskShown && this.#veils) this.#paintMask(context);
    this.#paintLines(context);
  }

  #place(context) {
    const ratio = devicePixelRatio || 1;
    const { scale, left, top } = this.viewport;
    context.setTransform(ratio * scale, 0, 0, ratio * scale, ratio * left, ratio * top);
  }

  #paintMask(context) {
    const layer = canvasOf(this.#canvas.width, this.#canvas.height);
    const over = layer.getContext('2d');
    const styles = [
      [TARGET, `rgb(${TARGET_RGB} / ${this.opacity})`],
      [NOT_ANNOTATED, patternOf(over, 14, hatch)],
      [BACKGROUND, patternOf(over, 10, dots)],
    ];
    for (const [value, style] of styles) {
      over.globalCompositeOperation = 'source-over';
      over.resetTransform();
      over.clearRect(0, 0, layer.width, layer.height);
      this.#place(over);
      over.imageSmoothingEnabled = false;
      over.drawImage(this.#veils.get(value), 0, 0);
      over.globalCompositeOperation = 'source-in';
      over.resetTransform();
      over.fillStyle = style;
      over.fillRect(0, 0, layer.width, layer.height);
      context.save();
      context.resetTransform();
      context.drawImage(layer, 0, 0);
      context.restore();
    }
    this.#stroke(context, new Path2D(this.#border), `rgb(${TARGET_RGB})`, 1.5);
  }

  // width and dash in CSS pixels, whatever the zoom.
  #stroke(context, path, style, width, dash = []) {
    const { scale } = this.viewport;
    context.strokeStyle = style;
    context.lineWidth = width / scale;
    context.setLineDash(dash.map((length) => length / scale));
    context.stroke(path);
  }

  #paintLines(context) {
    if (this.other) this.#stroke(context, new Path2D(this.other), '#ffb000', 2, [6, 4]);
    if (this.polygon.length) {
      const path = new Path2D();
      this.polygon.forEach(({ x, y }, i) => (i ? path.lineTo(x, y) : path.moveTo(x, y)));
      const corner = 3 / this.viewport.scale;
      for (const { x, y } of this.polygon) path.rect(x - corner, y - corner, 2 * corner, 2 * corner);
      this.#stroke(context, path, '#fff', 1.5);
    }
    for (const [style, width] of [['rgb(0 0 0 / 60%)', 3], ['#fff', 1]]) {
      if (this.ring) {
        const path = new Path2D();
        path.arc(this.ring.x, this.ring.y, this.ring.radius, 0, 7);
        this.#stroke(context, path, style, width);
      }
      if (this.cross) {
        const path = new Path2D();
        const arm = 9 / this.viewport.scale;
        const { x, y } = this.cross;
        path.moveTo(x - arm, y);
        path.lineTo(x + arm, y);
        path.moveTo(x, y - arm);
        path.lineTo(x, y + arm);
        this.#stroke(context, path, style, width);
      }
    }
  }
}
