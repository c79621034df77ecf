// The thumbnails: a grid of which only the visible rows exist, over a list that is fetched page by page as
// one scrolls. Thousands of slices cost as much as forty.

import * as api from './api.js';
import { el, debounced } from './dom.js';
import { report } from './toast.js';

const PAGE = 120; // slices per request
const GAP = 6; // px between tiles
const SPARE_ROWS = 3; // rendered above and below what is visible
const PORTRAIT = 0.8; // width / height below which four tiles fit in a row
const LETTERS = { presence: 'P', absence: 'A', unknown: '?' };

/** @typedef {import('./types').Slice} Slice */

/** @param {Slice} slice */
function describe(slice) {
  const place = slice.index === null ? '' : `, slice ${slice.index}`;
  const name = slice.name || `${slice.case || slice.id}${place}`;
  return `${name}: ${slice.label}${slice.annotated ? ', annotated' : ''}`;
}

export class SliceList {
  /** @type {Slice[]} */
  #items = [];
  #cursor = null; // of the next page; '' when all is here
  #filters = {};
  #fetching = null;
  #selected = -1;
  #tiles = new Map(); // index -> element
  #geometry = { columns: 3, width: 80, height: 80 };
  #content = el('div', { class: 'tiles-content', role: 'presentation' });
  #onSelect;
  #onCount;

  // onSelect(slice); onCount(loaded, isAll).
  constructor({ onSelect, onCount }) {
    this.#onSelect = onSelect;
    this.#onCount = onCount;
    this.element = el('div', {
      class: 'tiles', role: 'listbox', tabindex: 0, 'aria-label': 'Slices',
    }, this.#content);
    this.element.addEventListener('scroll', () => this.#render(), { passive: true });
    this.#content.addEventListener('click', (event) => {
      const tile = event.target.closest('.tile');
      if (tile) this.select(Number(tile.dataset.index));
    });
    new ResizeObserver(debounced(30, () => this.#measure())).observe(this.element);
  }

  get selected() {
    return this.#items[this.#selected] ?? null;
  }

  // Starts over. Resolves when the first page is here; false when another load() came in between.
  async load(filters) {
    this.#fetching?.abort();
    this.#fetching = null;
    this.#filters = filters;
    this.#items = [];
    this.#cursor = null;
    this.#selected = -1;
    this.#clear();
    this.element.scrollTop = 0;
    return this.#more();
  }

  // Selects what `wish(slices)` names among what is loaded.
  selectWhere(wish) {
    const index = this.#items.findIndex(wish);
    if (index >= 0) this.select(index);
    return index >= 0;
  }

  select(index) {
    if (index < 0 || index >= this.#items.length) return;
    this.#tiles.get(this.#selected)?.setAttribute('aria-selected', 'false');
    this.#selected = index;
    this.#reveal(index);
    this.#tiles.get(index)?.setAttribute('aria-selected', 'true');
    this.element.setAttribute('aria-activedescendant', `tile-${index}`);
    this.#onSelect(this.#items[index]);
  }

  // One further (1), one back (-1), or a row ('down', 'up').
  async move(step) {
    const by = { down: this.#geometry.columns, up: -this.#geometry.columns }[step] ?? step;
    const target = this.#selected + by;
    if (target >= this.#items.length && this.#cursor) await this.#more();
    if (Number.isInteger(step)) this.select(Math.min(Math.max(target, 0), this.#items.length - 1));
    else this.select(target);
  }

  // A slice changed (its label): shows it, and leaves it in its place even if a filter would hide it now.
  update(slice) {
    const index = this.#items.findIndex(({ id }) => id === slice.id);
    if (index < 0) return;
    this.#items[index] = slice;
    this.#tiles.get(index)?.remove();
    this.#tiles.delete(index);
    this.#render();
  }

  async #more() {
    if (this.#fetching || this.#cursor === '') return false;
    const controller = new AbortController();
    this.#fetching = controller;
    this.element.setAttribute('aria-busy', 'true');
    try {
      const page = await api.listSlices({ ...this.#filters, limit: PAGE, cursor: this.#cursor }, controller.signal);
      if (controller.signal.aborted) return false;
      this.#items.push(...page.items);
      this.#cursor = page.next_cursor || '';
      this.#onCount(this.#items.length, this.#cursor === '');
    } catch (error) {
      report(error, 'The slices could not be listed');
      return false;
    } finally {
      if (this.#fetching === controller) {
        this.#fetching = null;
        this.element.setAttribute('aria-busy', 'false');
      }
    }
    this.#measure();
    return true;
  }

  #clear() {
    for (const tile of this.#tiles.values()) tile.remove();
    this.#tiles.clear();
  }

  #measure() {
    const first = this.#items[0];
    const room = this.element.clientWidth;
    if (!room) return;
    const aspect = first ? first.width / first.height : 1;
    const columns = aspect < PORTRAIT ? 4 : 3;
    const width = Math.floor((room - GAP * (columns + 1)) / columns);
    const geometry = { columns, width, height: Math.round(width / Math.max(aspect, 0.4)) };
    if (JSON.stringify(geometry) !== JSON.stringify(this.#geometry)) this.#clear();
    this.#geometry = geometry;
    this.#render();
  }

  #render() {
    const { columns, height } = this.#geometry;
    const pitch = height + GAP;
    const rows = Math.ceil(this.#items.length / columns);
    this.#content.style.height = `${rows * pitch + GAP}px`;
    const top = this.element.scrollTop;
    const first = Math.max(0, Math.floor(top / pitch) - SPARE_ROWS) * columns;
    const last = Math.min(this.#items.length,
      (Math.ceil((top + this.element.clientHeight) / pitch) + SPARE_ROWS) * columns);
    for (const [index, tile] of this.#tiles) {
      if (index < first || index >= last) {
        tile.remove();
        this.#tiles.delete(index);
      }
    }
    for (let index = first; index < last; index++) {
      if (!this.#tiles.has(index)) this.#addTile(index);
    }
    if (last === this.#items.length && this.#cursor) this.#more();
  }

  #addTile(index) {
    const slice = this.#items[index];
    const { columns, width, height } = this.#geometry;
    const text = describe(slice);
    const tile = el('div', {
      class: `tile ${slice.label}`, role: 'option', id: `tile-${index}`, 'data-index': index, 'data-id': slice.id,
      title: text, 'aria-label': text, 'aria-selected': String(index === this.#selected),
    },
    el('img', { src: api.imageUrl(slice.id), alt: '', loading: 'lazy', decoding: 'async', draggable: 'false' }),
    el('span', { class: 'badge', 'aria-hidden': 'true' }, LETTERS[slice.label] ?? '?'),
    slice.annotated && el('span', { class: 'annotated', 'aria-hidden': 'true' }));
    tile.style.width = `${width}px`;
    tile.style.height = `${height}px`;
    tile.style.left = `${GAP + (index % columns) * (width + GAP)}px`;
    tile.style.top = `${GAP + Math.floor(index / columns) * (height + GAP)}px`;
    this.#tiles.set(index, tile);
    this.#content.append(tile);
  }

  #reveal(index) {
    const { columns, height } = this.#geometry;
    const top = GAP + Math.floor(index / columns) * (height + GAP);
    const view = this.element;
    if (top - GAP < view.scrollTop) view.scrollTop = top - GAP;
    else if (top + height + GAP > view.scrollTop + view.clientHeight) {
      view.scrollTop = top + height + GAP - view.clientHeight;
    }
    this.#render();
  }
}
