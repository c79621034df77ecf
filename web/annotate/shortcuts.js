// The keys while a mask is drawn. Letters that mean something elsewhere mean nothing here.

import { BACKGROUND, NOT_ANNOTATED, TARGET } from './raster.js';

const STRIDE = 8; // pixels, with shift

const KEYS = new Map([
  ['b', 'tool brush'], ['e', 'tool eraser'], ['g', 'tool polygon'], ['f', 'tool fill'], ['r', 'tool region'],
  ['1', `value ${TARGET}`], ['2', `value ${BACKGROUND}`], ['3', `value ${NOT_ANNOTATED}`],
  ['[', 'smaller'], [']', 'larger'], ['+', 'closer'], ['=', 'closer'], ['-', 'farther'], ['0', 'fit'],
  ['h', 'hide'], ['y', 'history'], [' ', 'press'], ['Enter', 'confirm'], ['Backspace', 'back'], ['Escape', 'close'],
]);
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const OF_THE_PAGE = new Set(['?', '.', ',', 'Tab', 'Shift', 'Control', 'Alt', 'Meta']);

function control({ key, shiftKey }) {
  const lower = key.toLowerCase();
  if (lower === 'z') return shiftKey ? 'redo' : 'undo';
  return { y: 'redo', s: 'save' }[lower];
}

// What a key means: a command, null for nothing, undefined when it is for the page or the element it was pressed in.
export function keyCommand(event) {
  const { key, target, shiftKey } = event;
  if (target.matches('textarea, select, input:not([type=range]):not([type=checkbox])')) return undefined;
  if (event.ctrlKey || event.metaKey) return control(event);
  if (event.altKey || OF_THE_PAGE.has(key)) return undefined;
  if (target.matches('input[type=range]') && key.startsWith('Arrow')) return undefined;
  if ((key === ' ' || key === 'Enter') && target.matches('button, summary, a, input')) return undefined;
  if (STEPS[key]) return `step ${STEPS[key].map((step) => step * (shiftKey ? STRIDE : 1)).join(' ')}`;
  return KEYS.get(key) ?? null;
}
