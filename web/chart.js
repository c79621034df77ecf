// A small line chart in SVG: one series, axes with a few round numbers, the latest value in its title, and
// the value under the pointer. Colours come from the style sheet.

import { el, svg } from './dom.js';
import { compact } from './format.js';

const MARGIN = { left: 46, right: 12, top: 8, bottom: 20 };
const MOST_POINTS = 800; // drawn; longer curves are thinned to the extremes of each column

// Round numbers from low to high, about `wanted` of them.
export function ticks(low, high, wanted) {
  const raw = (high - low) / wanted || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= raw);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at++) found.push(at * step + 0); // + 0: no minus zero
  return found;
}

// Of every run of points only the smallest and largest stay, so that peaks survive.
export function thinned(points, most) {
  if (points.length <= most) return points;
  const run = Math.ceil((2 * points.length) / most);
  const kept = [];
  for (let start = 0; start < points.length; start += run) {
    const part = points.slice(start, start + run);
    const low = part.reduce((a, b) => (b[1] < a[1] ? b : a));
    const high = part.reduce((a, b) => (b[1] > a[1] ? b : a));
    kept.push(...(low === high ? [low] : [low, high].sort((a, b) => a[0] - b[0])));
  }
  return kept;
}

export class Chart {
  #points = []; // [x, y]
  #bounds;
  #dots;
  #drawing = 0;
  #latest = el('span', { class: 'latest' });
  #title;
  #area = svg('svg', { class: 'plot', role: 'img' });
  #scale = null;
  /** @type {(step: number | null) => void} */
  onHover = () => {}; // called with the step under the pointer, null when it leaves

  /**
   * bounds: [low, high] fixed, or nothing for what the data needs. dots marks each point.
   * @param {{ name: string, title: string, hint: string, bounds?: number[], dots?: boolean }} options
   */
  constructor({ name, title, hint, bounds, dots }) {
    this.#bounds = bounds;
    this.#dots = dots;
    this.#title = title;
    this.element = el('figure', { class: 'chart', 'data-chart': name, title: hint },
      el('figcaption', {}, el('span', { class: 'title' }, title), this.#latest), this.#area);
    this.#showLatest();
    this.#area.addEventListener('pointermove', (event) => this.#point(event));
    this.#area.addEventListener('pointerleave', () => {
      this.#showLatest();
      this.onHover(null);
    });
    new ResizeObserver(() => this.#later()).observe(this.element);
  }

  get isEmpty() {
    return !this.#points.length;
  }

  clear() {
    this.#points = [];
    this.#later();
  }

  // A point at or before the last one replaces what was there: a resumed job went back to its checkpoint.
  add(x, y) {
    if (!Number.isFinite(x) || !Number.isFinite(y)) return;
    while (this.#points.length && this.#points.at(-1)[0] >= x) this.#points.pop();
    this.#points.push([x, y]);
    this.#later();
  }

  // Once per frame, however many points came.
  #later() {
    this.#drawing ||= requestAnimationFrame(() => {
      this.#drawing = 0;
      this.#draw();
    });
  }

  #showLatest() {
    const last = this.#points.at(-1);
    this.#latest.textContent = last ? compact(last[1]) : '';
    this.element.dataset.points = this.#points.length;
    this.#area.setAttribute('aria-label', last
      ? `${this.#title}: ${this.#points.length} points, latest ${compact(last[1])} at step ${last[0]}`
      : `${this.#title}: no values yet`);
    this.#area.querySelector('.marker')?.setAttribute('visibility', 'hidden');
  }

  #point(event) {
    if (!this.#points.length || !this.#scale) return;
    const box = this.#area.getBoundingClientRect();
    const at = this.#scale.step(event.clientX - box.left);
    this.hover(at);
    this.onHover(at);
  }

  // Shows the value nearest to a step; the latest for null.
  hover(at) {
    if (at === null) return this.#showLatest();
    if (!this.#points.length || !this.#scale) return;
    const nearest = this.#points.reduce((a, b) => (Math.abs(b[0] - at) < Math.abs(a[0] - at) ? b : a));
    this.#latest.textContent = `${compact(nearest[1])} at step ${nearest[0]}`;
    const marker = this.#area.querySelector('.marker');
    marker.setAttribute('visibility', 'visible');
    marker.setAttribute('cx', this.#scale.x(nearest[0]));
    marker.setAttribute('cy', this.#scale.y(nearest[1]));
  }

  #limits() {
    const xs = this.#points.map(([x]) => x);
    const ys = this.#points.map(([, y]) => y);
    const right = Math.max(xs.at(-1) ?? 1, 1);
    if (this.#bounds || !ys.length) return [0, right, ...(this.#bounds ?? [0, 1])];
    const low = Math.min(...ys);
    const high = Math.max(...ys);
    const room = (high - low || Math.abs(high) || 1) * 0.08;
    return [0, right, low - room, high + room];
  }

  #draw() {
    const width = this.#area.clientWidth;
    const height = this.#area.clientHeight;
    if (!width || !height) return;
    const [left, right, low, high] = this.#limits();
    const inner = { width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
    const x = (value) => MARGIN.left + ((value - left) / (right - left)) * inner.width;
    const y = (value) => MARGIN.top + (1 - (value - low) / (high - low)) * inner.height;
    this.#scale = { x, y, step: (px) => left + ((px - MARGIN.left) / inner.width) * (right - left) };
    const shown = thinned(this.#points, MOST_POINTS);
    const line = shown.map(([a, b], i) => `${i ? 'L' : 'M'}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join('');
    this.#area.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.#area.replaceChildren(
      ...ticks(low, high, Math.max(2, Math.floor(inner.height / 16))).map((value) => svg('g', { class: 'tick' },
        svg('path', { d: `M${MARGIN.left} ${y(value).toFixed(1)}h${inner.width}` }),
        svg('text', { x: MARGIN.left - 6, y: y(value) + 3.5, 'text-anchor': 'end' }, compact(Number(value.toPrecision(6)))))),
      ...ticks(left, right, Math.max(2, Math.floor(inner.width / 90))).map((value) =>
        svg('text', { class: 'tick-x', x: x(value), y: height - 5, 'text-anchor': 'middle' }, compact(value))),
      svg('path', { class: 'line', d: line }),
      ...(this.#dots ? shown.map(([a, b]) => svg('circle', { class: 'dot', cx: x(a), cy: y(b), r: 2.5 })) : []),
      svg('circle', { class: 'marker', r: 4, visibility: 'hidden' }));
    this.#showLatest();
  }
}
