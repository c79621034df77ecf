// One slice in the work list: thumbnail, label, whether it is annotated, and what a model predicted; in a wide
// list with words beneath.

import * as api from './api.js';
import { el } from './dom.js';
import { count, number } from './format.js';

/** @typedef {import('./types').Slice} Slice */

const LETTERS = { presence: 'P', absence: 'A', unknown: '?' };
const THUMBNAIL = [96, 256]; // px of the longer side, narrow and wide

export const nameOf = (slice) =>
  slice.name || `${slice.case || slice.id}${slice.index === null ? '' : `, slice ${slice.index}`}`;

/** @param {Slice} slice */
function predicted({ prediction }) {
  return prediction ? [`${count(prediction.area)} px predicted`, `score ${number(prediction.score, 3)}`] : [];
}

/** @param {Slice} slice */
export const describe = (slice) =>
  [`${nameOf(slice)}: ${slice.label}`, ...(slice.annotated ? ['annotated'] : []), ...predicted(slice)].join(', ');

// box: { left, top, width, height, caption } in px, caption 0 for none.
/** @param {Slice} slice */
export function makeTile(slice, index, box) {
  const text = describe(slice);
  const tile = el('div', {
    class: `tile ${slice.label}`, role: 'option', id: `tile-${index}`, 'data-index': index, 'data-id': slice.id,
    title: text, 'aria-label': text,
  },
  el('img', {
    src: api.thumbnailUrl(slice.id, THUMBNAIL[box.caption ? 1 : 0]), alt: '', loading: 'lazy', decoding: 'async', draggable: 'false',
    height: box.height - box.caption,
  }),
  el('span', { class: 'badges', 'aria-hidden': 'true' },
    el('span', { class: 'badge' }, LETTERS[slice.label] ?? '?'),
    slice.annotated && el('span', { class: 'annotated' })),
  // To a reader of the screen the option itself is selected or not.
  el('span', { class: 'mark', 'aria-hidden': 'true', title: 'Mark (ctrl space)' }),
  box.caption > 0 && el('span', { class: 'tile-text', 'aria-hidden': 'true' },
    el('strong', {}, nameOf(slice)), el('small', {}, slice.prediction ? `${count(slice.prediction.area)} px \u00b7 ${number(slice.prediction.score, 3)}` : 'no prediction')));
  for (const side of ['left', 'top', 'width', 'height']) tile.style[side] = `${box[side]}px`;
  return tile;
}
