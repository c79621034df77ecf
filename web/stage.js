// Lays panels out so that the pictures are as large as the room allows, all alike, never stretched.

import { debounced } from './dom.js';

const GAP = 12; // px, as in the style sheet

// The number of columns that makes pictures of this aspect (width / height) largest, and their size; `chrome` is the
// height of what stands around each.
export function bestGrid(count, aspect, width, height, chrome) {
  let best = { columns: 1, width: 0, height: 0 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const roomX = (width - GAP * (columns - 1)) / columns;
    const roomY = (height - GAP * (rows - 1)) / rows - chrome;
    const side = Math.max(0, Math.min(roomX, roomY * aspect));
    if (side > best.width) best = { columns, width: Math.floor(side), height: Math.floor(side / aspect) };
  }
  return best;
}

export class Stage {
  #aspect = 1;
  #enlarged = null;

  constructor(element) {
    this.element = element;
    new ResizeObserver(debounced(16, () => this.layout())).observe(element);
  }

  // Elements of class "panel", in order.
  setPanels(elements, aspect) {
    this.#aspect = aspect;
    if (!elements.includes(this.#enlarged)) this.#enlarged = null;
    const now = [...this.element.children];
    if (now.length !== elements.length || now.some((child, i) => child !== elements[i])) {
      this.element.replaceChildren(...elements);
    }
    this.layout();
  }

  get isEnlarged() {
    return this.#enlarged !== null;
  }

  // The next panel alone; after the last one all again.
  enlargeNext() {
    const panels = [...this.element.children];
    const next = panels[panels.indexOf(this.#enlarged) + 1];
    this.enlarge(next ?? this.#enlarged);
  }

  // Shows one panel alone, or all again.
  enlarge(element) {
    this.#enlarged = this.#enlarged === element ? null : element;
    this.layout();
  }

  layout() {
    const { clientWidth, clientHeight } = this.element;
    const panels = [...this.element.children];
    if (!clientWidth || !panels.length) return;
    for (const panel of panels) panel.hidden = this.#enlarged !== null && panel !== this.#enlarged;
    const shown = panels.filter((panel) => !panel.hidden).length;
    const style = this.element.style;
    const [caption, legend] = ['--caption', '--legend'].map((name) => parseFloat(getComputedStyle(this.element).getPropertyValue(name)));
    const grid = bestGrid(shown, this.#aspect, clientWidth, clientHeight, caption + legend);
    style.setProperty('--columns', grid.columns);
    style.setProperty('--picture-width', `${grid.width}px`);
    style.setProperty('--picture-height', `${grid.height}px`);
  }
}
