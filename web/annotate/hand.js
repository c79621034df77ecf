// The hand: brings pointers, and the cursor that keys move, to the tool in use. Says what it does for those who
// do not see it.

import { Gestures } from './gestures.js';
import { NOT_ANNOTATED, TARGET } from './raster.js';

const NEAR = 10; // CSS pixels within which two places are one
const NAMES = { [TARGET]: 'target', [NOT_ANNOTATED]: 'not annotated', 0: 'background' };

export class Hand {
  #cursor = null; // { x, y }: whole pixels, once keys were used
  #isPenDown = false; // of the keys' cursor
  #at = null; // of the pointer, in the picture

  // tool() and drawing() give those in use; say(text) is read out; onSize(steps) changes the brush's size.
  constructor({ surface, settings, tool, drawing, say, onSize }) {
    this.surface = surface;
    this.settings = settings;
    this.tool = tool;
    this.drawing = drawing;
    this.say = say;
    const zoom = (...values) => {
      surface.viewport.zoom(...values);
      this.show();
    };
    this.gestures = new Gestures(surface.element, {
      down: (at) => this.#down(this.#placed(at)),
      move: (at) => this.tool().move(this.drawing(), this.#placed(at)),
      up: () => this.tool().up(this.drawing()),
      cancel: () => this.tool().cancel(this.drawing()),
      hover: (at) => this.#hover(at),
      pan: (dx, dy) => {
        surface.viewport.pan(dx, dy);
        surface.paint();
      },
      zoom, size: onSize,
    });
  }

  #placed({ x, y, pressure, isPen }) {
    return { ...this.surface.viewport.toPicture(x, y), pressure, isPen, near: NEAR / this.surface.viewport.scale };
  }

  #down(at) {
    this.#lift();
    this.#cursor = null;
    this.tool().down(this.drawing(), at);
    this.show();
  }

  #hover(at) {
    this.#at = at && this.#placed(at);
    this.show();
  }

  // Brush, corners and cursor as they are now.
  show() {
    const { surface } = this;
    const at = this.#cursor ? { x: this.#cursor.x + 0.5, y: this.#cursor.y + 0.5 } : this.#at;
    surface.ring = at && 'isDrawing' in this.tool() ? { ...at, radius: this.settings.size / 2 } : null;
    surface.cross = this.#cursor && at;
    surface.polygon = this.tool().points ?? [];
    surface.paint();
  }

  #keyed() {
    return { x: this.#cursor.x + 0.5, y: this.#cursor.y + 0.5, pressure: 0.5, isPen: false, near: 0.5 };
  }

  // Moves the keys' cursor; draws when its pen is down.
  step(dx, dy) {
    const { width, height, mask } = this.drawing();
    const within = (value, size) => Math.min(size - 1, Math.max(0, value));
    const from = this.#cursor ?? { x: Math.floor(width / 2) - dx, y: Math.floor(height / 2) - dy };
    this.#cursor = { x: within(from.x + dx, width), y: within(from.y + dy, height) };
    this.surface.viewport.reveal(this.#cursor.x, this.#cursor.y);
    if (this.#isPenDown) this.tool().move(this.drawing(), this.#keyed());
    this.show();
    const { x, y } = this.#cursor;
    this.say(`column ${x}, row ${y}: ${NAMES[mask[y * width + x]]}${this.#isPenDown ? ', drawing' : ''}`);
  }

  // Puts the pen down or lifts it; sets a corner, or fills.
  press() {
    if (!this.#cursor) {
      this.step(0, 0);
      return;
    }
    if (this.#isPenDown) {
      this.#lift();
      this.say('pen up');
    } else {
      this.tool().down(this.drawing(), this.#keyed());
      this.#isPenDown = 'isDrawing' in this.tool();
      this.say(this.#isPenDown ? 'pen down' : this.tool().points?.length ? `corner ${this.tool().points.length}` : 'filled');
    }
    this.show();
  }

  #lift() {
    if (!this.#isPenDown) return;
    this.#isPenDown = false;
    this.tool().up(this.drawing());
  }

  // Before another tool is taken or the drawing changes under the hand.
  rest() {
    this.#lift();
    this.show();
  }

  // Another slice.
  forget() {
    this.#isPenDown = false;
    this.#cursor = null;
    this.#at = null;
  }

  // false when there was nothing to give up.
  giveUp() {
    const isBusy = this.#isPenDown || this.tool().points?.length > 0;
    if (!isBusy) return false;
    this.#isPenDown = false;
    this.tool().cancel(this.drawing());
    this.show();
    return true;
  }
}
