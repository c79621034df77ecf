// The tools: what a pointer, or the cursor that keys move, does to a drawing. All have down(at), move(at), up(),
// cancel(), and optionally hover(at), confirm(), back() and points (to be shown). `at` is { x, y, pressure, isPen,
// near }: a place of the picture, near being the distance in it at which two places are one to a hand.

import { drawSegment, fillPolygon, region } from './raster.js';

const LIGHTEST = 0.25; // of the size, at no pressure

class Stroke {
  #last = null;

  // valueOf(drawing) is what it draws with.
  constructor(settings, valueOf) {
    this.settings = settings;
    this.valueOf = valueOf;
  }

  #end({ x, y, pressure, isPen }) {
    const { size, usePressure } = this.settings;
    const part = usePressure && isPen ? LIGHTEST + (1 - LIGHTEST) * pressure : 1;
    return { x, y, radius: (size / 2) * part };
  }

  down(drawing, at) {
    drawing.begin();
    this.value = this.valueOf(drawing);
    this.#last = this.#end(at);
    drawSegment(drawing, this.#last, this.#last, this.value);
    drawing.touch();
  }

  move(drawing, at) {
    if (!this.#last) return;
    const next = this.#end(at);
    drawSegment(drawing, this.#last, next, this.value);
    this.#last = next;
    drawing.touch();
  }

  up(drawing) {
    this.#last = null;
    drawing.commit();
  }

  cancel(drawing) {
    this.#last = null;
    drawing.cancel();
  }

  get isDrawing() {
    return this.#last !== null;
  }
}

class Polygon {
  points = [];

  constructor(settings) {
    this.settings = settings;
  }

  down(drawing, at) {
    const [first] = this.points;
    if (first && this.points.length > 2 && Math.hypot(first.x - at.x, first.y - at.y) <= at.near) {
      this.confirm(drawing);
      return;
    }
    this.points.push({ x: at.x, y: at.y });
    drawing.touch();
  }

  move() {}

  up() {}

  confirm(drawing) {
    const { points } = this;
    this.points = [];
    if (points.length > 2) drawing.edit((all) => fillPolygon(all, points, this.settings.value));
    drawing.touch();
  }

  // Takes the last corner back; false when there is none.
  back(drawing) {
    const taken = this.points.pop();
    drawing.touch();
    return taken !== undefined;
  }

  cancel(drawing) {
    this.points = [];
    drawing.touch();
  }
}

class Fill {
  // belongs(drawing, start) gives the test for the pixels that are filled from `start`.
  constructor(settings, belongs) {
    this.settings = settings;
    this.belongs = belongs;
  }

  down(drawing, at) {
    const [x, y] = [Math.floor(at.x), Math.floor(at.y)];
    const found = region(drawing, x, y, this.belongs(drawing, y * drawing.width + x));
    drawing.edit(({ mask }) => found.forEach((i) => { mask[i] = this.settings.value; }));
  }

  move() {}

  up() {}

  cancel() {}
}

// settings: { value, size, usePressure, tolerance } as they are when a tool is used; intensities() gives one number
// in 0...1 per pixel.
export function makeTools(settings, intensities) {
  return {
    brush: new Stroke(settings, () => settings.value),
    eraser: new Stroke(settings, (drawing) => drawing.ground),
    polygon: new Polygon(settings),
    fill: new Fill(settings, ({ mask }, start) => {
      const value = mask[start];
      return (i) => mask[i] === value;
    }),
    region: new Fill(settings, (_, start) => {
      const values = intensities();
      return (i) => Math.abs(values[i] - values[start]) <= settings.tolerance;
    }),
  };
}
