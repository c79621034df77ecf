// The panel of nine small pictures beside the enlarged one: samples by seed, or the frames of an interpolation
// with a slider through them. Shows and asks; computes nothing.

import { paintGray } from './colormap.js';
import { el, svg } from './dom.js';
import { outline } from './mask.js';
import { paint } from './panel.js';

const COLUMNS = 3;
const ARROWS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -COLUMNS, ArrowDown: COLUMNS };

export class SampleGrid {
  #title = el('span', { class: 'title', role: 'status' }, 'Samples');
  #tiles = el('div', { class: 'view sample-grid', role: 'radiogroup', 'aria-label': 'Samples' });
  #message = el('div', { class: 'message', hidden: true });
  #between;
  #seeds;
  #way;
  #slider = el('input', { type: 'range', id: 'way', min: 0, step: 1, 'aria-label': 'Frame' });
  #position = el('output', { for: 'way' });
  #legend = el('div', { class: 'legend seeds' });
  #items = [];
  #onChoose;
  #onCancel;

  // seed: the input of the first seed. onNext(): nine further ones; onBetween(): begin or leave an interpolation;
  // onChoose(index); onCancel(): no interpolation after all.
  constructor({ seed, onNext, onBetween, onChoose, onCancel }) {
    this.#onChoose = onChoose;
    this.#onCancel = onCancel;
    this.#between = el('button', {
      type: 'button', 'data-between': '', 'aria-pressed': 'false', onclick: onBetween,
      title: 'What lies between the chosen sample and another one (b)',
    }, 'Between');
    this.#seeds = [el('label', { for: 'seed' }, 'Seeds'), seed,
      el('button', { type: 'button', onclick: onNext, title: 'Nine further seeds (n)' }, 'Next 9'), this.#between];
    this.#way = [this.#slider, this.#position,
      el('button', { type: 'button', 'data-back': '', onclick: onBetween, title: 'Back to the samples (b)' }, 'Back')];
    this.#slider.addEventListener('input', () => this.#onChoose(Number(this.#slider.value)));
    this.element = el('figure', { class: 'panel', 'data-panel': 'grid' },
      el('figcaption', {}, this.#title),
      el('div', { class: 'frame' }, this.#tiles, el('span', { class: 'generated' }, 'generated'), this.#message),
      this.#legend);
    this.#legend.append(...this.#seeds);
  }

  setSize() {} // the tiles have the sizes of their pictures

  setCursor() {}

  clear() {}

  setMessage(text, kind = '') {
    this.#message.hidden = !text;
    this.#message.className = `message ${kind}`;
    this.#message.textContent = text;
  }

  // items: [{ label, name, mask, values, seed, t }]; isWay: frames, which the slider goes through.
  show(items, { width, height }, title, isWay) {
    const hadFocus = this.element.contains(document.activeElement);
    this.#items = items;
    this.#title.textContent = title;
    this.#tiles.setAttribute('aria-label', title);
    this.#tiles.replaceChildren(...items.map((item, i) => this.#tile(item, i, width, height)));
    this.#slider.max = String(Math.max(0, items.length - 1));
    this.#legend.replaceChildren(...(isWay ? this.#way : this.#seeds));
    if (hadFocus && items.length && document.activeElement === document.body) (isWay ? this.#slider : this.#between).focus();
  }

  choose(index) {
    [...this.#tiles.children].forEach((tile, i) => {
      tile.setAttribute('aria-checked', String(i === index));
      tile.tabIndex = i === index ? 0 : -1;
    });
    this.#slider.value = String(index);
    const { name, label } = this.#items[index] ?? {};
    this.#position.textContent = name ?? '';
    this.#slider.setAttribute('aria-valuetext', label ?? '');
    this.#slider.style.setProperty('--fill', `${(100 * index) / Math.max(1, this.#items.length - 1)}%`);
  }

  // The tile that the other end is asked for, with words that ask; null: none any more.
  ask(from, title) {
    this.#title.textContent = title;
    this.#between.setAttribute('aria-pressed', String(from !== null));
    [...this.#tiles.children].forEach((tile, i) => tile.classList.toggle('from', i === from));
    if (from !== null) this.#tiles.children[from]?.focus();
  }

  paint(window) {
    this.#tiles.querySelectorAll('canvas').forEach((canvas, i) =>
      paint(canvas, (rgba) => paintGray(this.#items[i].values, ...window, rgba)));
    this.setMessage('');
  }

  #tile({ label, name, mask, seed, t }, index, width, height) {
    return el('div', {
      class: 'sample-tile', role: 'radio', 'aria-checked': 'false', tabindex: -1, 'aria-label': label, 'data-seed': seed, 'data-t': t,
      title: label, onclick: () => this.#onChoose(index), onkeydown: (event) => this.#press(event, index),
    },
    el('canvas', { width, height }),
    svg('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      svg('path', { class: 'mask-line', d: outline(mask, width, height) })),
    el('span', { class: 'seed', 'aria-hidden': 'true' }, name));
  }

  // Arrows go from tile to tile, Enter chooses.
  #press(event, index) {
    if (event.shiftKey || event.ctrlKey || event.altKey || event.metaKey) return;
    const step = ARROWS[event.key];
    if (step) this.#tiles.children[index + step]?.focus();
    else if (event.key === 'Enter') this.#onChoose(index);
    else if (event.key === 'Escape' && this.#between.getAttribute('aria-pressed') === 'true') this.#onCancel();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
