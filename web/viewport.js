// Which part of the pictures is seen, alike in all of them: a zoom and the point of the picture in the middle
// of its frame, in parts of its width and height. Handed to the style sheet as custom properties.

const MOST = 16; // times

const within = (value, low, high) => Math.min(Math.max(value, low), high);

export class Viewport {
  zoom = 1;
  x = 0.5;
  y = 0.5;
  #onChange;

  constructor(onChange) {
    this.#onChange = onChange;
  }

  get isWhole() {
    return this.zoom === 1;
  }

  // Around a point of the frame, in parts of it; the picture under that point stays there.
  zoomBy(factor, atX = 0.5, atY = 0.5) {
    const zoom = within(this.zoom * factor, 1, MOST);
    this.x += (atX - 0.5) * (1 / this.zoom - 1 / zoom);
    this.y += (atY - 0.5) * (1 / this.zoom - 1 / zoom);
    this.zoom = zoom;
    this.#settle();
  }

  // As if the picture were pushed by parts of the frame.
  pan(byX, byY) {
    this.x -= byX / this.zoom;
    this.y -= byY / this.zoom;
    this.#settle();
  }

  reset() {
    this.zoom = 1;
    this.#settle();
  }

  // The frame is never left empty at a side.
  #settle() {
    const margin = 0.5 / this.zoom;
    this.x = within(this.x, margin, 1 - margin);
    this.y = within(this.y, margin, 1 - margin);
    this.#onChange();
  }

  // Where the picture lies in its frame, as lengths and a factor of CSS.
  get properties() {
    const shift = (middle) => `${100 * (0.5 - middle * this.zoom)}%`;
    return { '--zoom': String(this.zoom), '--shift-x': shift(this.x), '--shift-y': shift(this.y) };
  }
}

// [black, white] after a drag by parts of the frame, as readers of scans know it: to the right widens the
// window, downwards raises its level. `whole` is the window that shows everything.
export function draggedWindow([low, high], whole, byX, byY) {
  const unit = whole[1] - whole[0] || 1;
  const width = within((high - low) * 2 ** (2 * byX), unit / 64, unit * 4);
  const level = within((low + high) / 2 + byY * unit, whole[0] - unit, whole[1] + unit);
  return /** @type {[number, number]} */ ([level - width / 2, level + width / 2]);
}
