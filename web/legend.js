// What stands under a picture: colour scales and keys.

import { el } from './dom.js';
import { diverging } from './colormap.js';
import { compact, signed } from './format.js';

const BAR_STEPS = 128;

function bar(colourAt, label) {
  const canvas = el('canvas', { class: 'bar', width: BAR_STEPS, height: 1, role: 'img', 'aria-label': label });
  const context = canvas.getContext('2d');
  for (let i = 0; i < BAR_STEPS; i++) {
    context.fillStyle = `rgb(${colourAt(i / (BAR_STEPS - 1)).join(' ')})`;
    context.fillRect(i, 0, 1, 1);
  }
  return canvas;
}

const ticks = (...texts) => el('div', { class: 'ticks' }, texts.map((text) => el('span', {}, text)));

// Diverging scale from -limit to +limit.
export function signedLegend(limit) {
  const digits = limit >= 10 ? 0 : limit >= 1 ? 1 : 2;
  return el('div', { class: 'scale' },
    bar((t) => diverging(2 * t - 1), `Colour scale from ${-limit} to ${limit}`),
    ticks(signed(-limit, digits), signed(-limit / 2, digits), '0', signed(limit / 2, digits), signed(limit, digits)));
}

// The diverging scale from -1 to +1 with words instead of numbers.
export const namedLegend = (names) => el('div', { class: 'scale' },
  bar((t) => diverging(2 * t - 1), `Colour scale: ${names.join(', ')}`), ticks(...names));

export function grayLegend([low, high]) {
  return el('div', { class: 'scale' },
    bar((t) => [255 * t, 255 * t, 255 * t], `Gray scale from ${low} to ${high}`),
    ticks(compact(low), compact(high)));
}

// Of a mask over a picture that was measured: the picture's own mark would say that all of it is generated.
export const maskKey = () => ['mask', 'segmented', el('span', { class: 'generated', title: 'Made by the model, not drawn' }, 'generated')];

// entries: [[class, ...content], ...]
export const keyLegend = (entries) => el('div', { class: 'keys' },
  entries.map(([kind, ...content]) => el('span', { class: `key ${kind}` }, el('i'), ...content)));
