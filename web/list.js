// The work list: a grid of which only the visible rows exist, over a list that is fetched page by page as one
// scrolls. Thousands of slices cost as much as forty. One of them is current (shown), several may be marked.

import * as api from './api.js';
import { el, debounced } from './dom.js';
import { Marks } from './marks.js';
import { makeTile, nameOf } from './tile.js';
import { report } from './toast.js';

const PAGE = 120; // slices per request
const MOST_OF_PAGE = 500; // when all are needed
const GAP = 6; // px between tiles
const SPARE_ROWS = 3; // rendered above and below what is visible
const PORTRAIT = 0.8; // width / height below which four tiles fit in a row
const LEAST_TILE = 54; // px; what stands on a tile needs them
const WIDE_TILE = 132; // px
const CAPTION = 40; // px under a tile of a wide list
const STEPS = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 'down', ArrowUp: 'up' };

/** @typedef {import('./types').Slice} Slice */

export class SliceList {
  /** @type {Slice[]} what was fetched */
  #fetched = [];
  /** @type {Slice[]} of these, what the search leaves */
  #items = [];
  #cursor = null; // of the next page; '' when all is here
  #filters = {};
  #search = '';
  #fetching = null;
  #current = -1;
  #marks = new Marks();
  #isWide = false;
  #tiles = new Map(); // index -> element
  #geometry = { columns: 3, width: 80, height: 80, caption: 0 };
  #content = el('div', { class: 'tiles-content', role: 'presentation' });
  #calls;

  // onSelect(slice); onCount(shown, isAll); onMarks(number of marked); onOpen() by double click or enter.
  constructor(calls) {
    this.#calls = calls;
    this.element = el('div', {
      class: 'tiles', role: 'listbox', tabindex: 0, 'aria-label': 'Slices', 'aria-multiselectable': 'true',
    }, this.#content);
    this.element.addEventListener('scroll', () => this.#render(), { passive: true });
    this.#content.addEventListener('click', (event) => {
      const tile = event.target.closest('.tile');
      if (tile) this.#pick(Number(tile.dataset.index), event);
    });
    this.#content.addEventListener('dblclick', (event) => !event.target.closest('.mark') && calls.onOpen());
    this.element.addEventListener('keydown', (event) => this.#key(event));
    new ResizeObserver(debounced(30, () => this.#measure())).observe(this.element);
  }

  // At least the current one.
  get marked() {
    return this.#marks.all.map((index) => this.#items[index]);
  }

  // Of what was fetched, in order.
  get cases() {
    return [...new Set(this.#fetched.map((slice) => slice.case).filter(Boolean))];
  }

  // More room: larger tiles with words.
  set isWide(isWide) {
    this.#isWide = isWide;
    this.#measure();
    if (this.#current >= 0) this.#reveal(this.#current);
  }

  // Starts over. Resolves when the first page is here; false when another load() came in between.
  async load(filters) {
    this.#fetching?.abort();
    this.#fetching = null;
    this.#filters = filters;
    this.#fetched = [];
    this.#cursor = null;
    this.#restart();
    return this.#search ? this.search(this.#search) : this.#more(PAGE);
  }

  // Leaves what has all these words in its name, case or id; fetches the rest of the list first.
  async search(text) {
    this.#search = text.trim().toLowerCase();
    while (this.#search && this.#cursor !== '') {
      if (!await this.#more(MOST_OF_PAGE)) return false;
    }
    const current = this.#items[this.#current];
    this.#restart();
    this.#sift();
    if (current) this.selectWhere(({ id }) => id === current.id);
    return true;
  }

  // Selects what `wish(slice)` names among what is loaded.
  selectWhere(wish) {
    const index = this.#items.findIndex(wish);
    if (index >= 0) this.select(index);
    return index >= 0;
  }

  select(index) {
    if (index < 0 || index >= this.#items.length) return;
    this.#marks.only(index);
    this.#look(index);
  }

  // One further (1), one back (-1), or a row ('down', 'up'). What is marked then: that 'one', 'all' on the way, or
  // the 'same' as before.
  async move(step, marks = 'one') {
    const by = { down: this.#geometry.columns, up: -this.#geometry.columns }[step] ?? step;
    let target = this.#current + by;
    if (target >= this.#items.length && this.#cursor) await this.#more(PAGE);
    if (Number.isInteger(step)) target = Math.min(Math.max(target, 0), this.#items.length - 1);
    if (target < 0 || target >= this.#items.length) return;
    if (marks === 'one') return this.select(target);
    if (marks === 'all') this.#marks.extendTo(target);
    this.#look(target);
  }

  unmark() {
    if (this.#current >= 0) this.#marks.only(this.#current);
    this.#showMarks();
  }

  // A slice changed (its label): shows it, and leaves it in its place even if a filter would hide it now.
  update(slice) {
    const replace = (items) => {
      const index = items.findIndex(({ id }) => id === slice.id);
      if (index >= 0) items[index] = slice;
      return index;
    };
    replace(this.#fetched);
    const index = replace(this.#items);
    this.#tiles.get(index)?.remove();
    if (this.#tiles.delete(index)) this.#render();
  }

  #pick(index, event) {
    if (event.target.closest('.mark')) return this.#toggle(index);
    if (event.shiftKey) this.#marks.extendTo(index);
    else if (event.ctrlKey || event.metaKey) this.#marks.toggle(index);
    else return this.select(index);
    this.#look(index);
  }

  #key(event) {
    const isMany = event.ctrlKey || event.metaKey;
    if (event.key in STEPS && event.shiftKey) this.move(STEPS[event.key], 'all');
    else if (event.key in STEPS && isMany) this.move(STEPS[event.key], 'same');
    else if (event.key === ' ' && isMany) this.#toggle(this.#current);
    else if (event.key === 'a' && isMany) this.#markAll();
    else if (event.key === 'Escape' && this.#marks.size > 1) this.unmark();
    else if (event.key === 'Enter') this.#calls.onOpen();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #toggle(index) {
    if (index < 0) return;
    this.#marks.toggle(index);
    this.#showMarks();
  }

  #markAll() {
    this.#marks.every(this.#items.length);
    this.#showMarks();
  }

  // Makes it the one that is shown.
  #look(index) {
    const isOther = index !== this.#current;
    this.#current = index;
    this.#reveal(index);
    this.element.setAttribute('aria-activedescendant', `tile-${index}`);
    this.#showMarks();
    if (isOther) this.#calls.onSelect(this.#items[index]);
  }

  #showMarks() {
    for (const [index, tile] of this.#tiles) this.#showMark(index, tile);
    this.#calls.onMarks(this.#marks.size);
  }

  #showMark(index, tile) {
    tile.setAttribute('aria-selected', String(this.#marks.has(index)));
    tile.classList.toggle('current', index === this.#current);
  }

  #restart() {
    this.#items = [];
    this.#current = -1;
    this.#marks.clear();
    this.#calls.onMarks(0);
    this.#clear();
    this.element.scrollTop = 0;
  }

  #sift() {
    const words = this.#search.split(/\s+/).filter(Boolean);
    const text = (slice) => `${nameOf(slice)} ${slice.case ?? ''} ${slice.id}`.toLowerCase();
    this.#items = words.length
      ? this.#fetched.filter((slice) => words.every((word) => text(slice).includes(word))) : [...this.#fetched];
    this.#calls.onCount(this.#items.length, this.#cursor === '', this.#search);
    this.#measure();
  }

  async #more(limit) {
    if (this.#fetching || this.#cursor === '') return false;
    const controller = new AbortController();
    this.#fetching = controller;
    this.element.setAttribute('aria-busy', 'true');
    try {
      const page = await api.listSlices({ ...this.#filters, limit, cursor: this.#cursor }, controller.signal);
      if (controller.signal.aborted) return false;
      this.#fetched.push(...page.items);
      this.#cursor = page.next_cursor || '';
    } catch (error) {
      report(error, 'The slices could not be listed');
      return false;
    } finally {
      if (this.#fetching === controller) {
        this.#fetching = null;
        this.element.setAttribute('aria-busy', 'false');
      }
    }
    this.#sift();
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
    const columns = this.#isWide ? Math.max(1, Math.floor((room - GAP) / (WIDE_TILE + GAP))) : aspect < PORTRAIT && room >= 4 * LEAST_TILE + 5 * GAP ? 4 : 3;
    const width = Math.floor((room - GAP * (columns + 1)) / columns);
    const caption = this.#isWide ? CAPTION : 0;
    const geometry = { columns, width, height: Math.round(width / Math.max(aspect, this.#isWide ? 0.8 : 0.4)) + caption, caption };
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
    if (last === this.#items.length && this.#cursor && !this.#search) this.#more(PAGE);
  }

  #addTile(index) {
    const { columns, width, height, caption } = this.#geometry;
    const tile = makeTile(this.#items[index], index, {
      left: GAP + (index % columns) * (width + GAP), top: GAP + Math.floor(index / columns) * (height + GAP), width, height, caption,
    });
    this.#showMark(index, tile);
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
