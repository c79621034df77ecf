// The keyboard: which key does what, and the page that tells.

import { may, whyNot } from './access.js';
import { el } from './dom.js';
import { toast } from './toast.js';

// [keys as shown, command, what it does]; `keys` are KeyboardEvent.key values, `needs` (of a key, or of a section) the
// scope without which a key does nothing and is not explained.
/** @typedef {import('./access.js').Scope} Scope */
/** @type {[string, { keys: string[], show?: string[], command?: string, text: string, needs?: Scope }[], Scope?][]} */
const TABLE = [
  ['Slices', [
    { keys: ['ArrowRight', 'j'], show: ['\u2192', 'j'], command: 'next', text: 'Next slice' },
    { keys: ['ArrowLeft', 'k'], show: ['\u2190', 'k'], command: 'previous', text: 'Previous slice' },
    { keys: ['ArrowDown'], show: ['\u2193'], command: 'down', text: 'Row down' },
    { keys: ['ArrowUp'], show: ['\u2191'], command: 'up', text: 'Row up' },
    { keys: ['/'], command: 'search', text: 'Search by name, case or id' },
    { keys: ['g'], command: 'wide', text: 'The list alone, or beside a slice' },
    { keys: [], show: ['shift \u2192'], text: 'In the list: mark all on the way (shift and click)' },
    { keys: [], show: ['ctrl \u2192'], text: 'In the list: go on, the marks stay' },
    { keys: [], show: ['ctrl space'], text: 'In the list: mark it or not (its box, or ctrl and click)' },
    { keys: [], show: ['ctrl a'], text: 'In the list: mark all' },
  ]],
  ['Weak label', [
    { keys: ['p'], command: 'presence', text: 'Presence: a lesion is there (all marked)' },
    { keys: ['a'], command: 'absence', text: 'Absence: none is there' },
    { keys: ['u'], command: 'unknown', text: 'Unknown' },
  ], 'annotate'],
  ['Pictures', [
    { keys: [' '], show: ['space'], command: 'blink', text: 'Blink with the original' },
    { keys: ['s'], command: 'swipe', text: 'Swipe over the original' },
    { keys: ['i'], command: 'difference', text: 'Difference from the original' },
    { keys: ['m'], command: 'mode', text: 'Remove lesion / add lesions' },
    { keys: ['c'], command: 'channels', text: 'All channels' },
    { keys: ['n'], command: 'next-seeds', text: 'Nine further samples' },
    { keys: ['b'], command: 'between', text: 'Between two samples: choose the other one (arrows, enter); and back' },
    { keys: ['['], command: 'threshold-down', text: 'Lower threshold' },
    { keys: [']'], command: 'threshold-up', text: 'Higher threshold' },
    { keys: ['t'], command: 'truth', text: 'Annotation outline' },
    { keys: ['d'], command: 'annotate', text: 'Annotate: draw the mask', needs: 'annotate' },
    { keys: ['x'], command: 'pixelated', text: 'Single pixels' },
    { keys: ['e'], command: 'enlarge', text: 'Enlarge the next picture (double click)' },
    { keys: ['Escape'], show: ['esc'], command: 'back', text: 'Leave an enlarged picture' },
  ]],
  ['Zoom and grays', [
    { keys: ['+', '='], show: ['+'], command: 'zoom-in', text: 'Nearer (wheel, two fingers)' },
    { keys: ['-'], show: ['\u2212'], command: 'zoom-out', text: 'Farther' },
    { keys: ['Shift+ArrowLeft', 'Shift+ArrowRight', 'Shift+ArrowUp', 'Shift+ArrowDown'], show: ['shift \u2190\u2192'], command: 'pan', text: 'Move (shift and drag)' },
    { keys: ['w'], command: 'window-narrower', text: 'More contrast (drag to the left)' },
    { keys: ['W'], command: 'window-wider', text: 'Less contrast (drag to the right)' },
    { keys: ['l'], command: 'level-lower', text: 'Brighter (drag up)' },
    { keys: ['L'], command: 'level-higher', text: 'Darker (drag down)' },
    { keys: ['0'], command: 'view-reset', text: 'All of it, in its own grays' },
  ]],
  ['Volumes', [
    { keys: [], show: ['\u2192', 'j'], text: 'Next level (wheel)' },
    { keys: [], show: ['\u2190', 'k'], text: 'Level before' },
    { keys: [], show: ['\u2193', '\u2191'], text: 'Ten levels on, back' },
    { keys: [], show: ['w', 'l', '0'], text: 'Contrast, brightness, own grays (drag), as of pictures' },
  ]],
  ['While a mask is drawn', [ // annotate/shortcuts.js does these
    { keys: [], show: ['b', 'e', 'g', 'f', 'r'], text: 'Brush, eraser, polygon, fill, fill similar' },
    { keys: [], show: ['1', '2', '3'], text: 'Target, background, not annotated' },
    { keys: [], show: ['[', ']'], text: 'Brush size (or the wheel)' },
    { keys: [], show: ['+', '\u2212', '0'], text: 'Zoom, all of it (or ctrl and wheel)' },
    { keys: [], show: ['\u2190 \u2191 \u2192 \u2193'], text: 'Move a cursor; with shift eight pixels' },
    { keys: [], show: ['enter'], text: 'Pen down or up there; close a polygon' },
    { keys: [], show: ['ctrl z', 'ctrl y'], text: 'Undo, redo' },
    { keys: [], show: ['ctrl s'], text: 'Save' },
    { keys: [], show: ['h', 'y'], text: 'Hide the mask, history' },
    { keys: [], show: ['esc'], text: 'Give a stroke up, leave' },
  ], 'annotate'],
  ['Everywhere', [
    { keys: ['1'], command: 'tab-slices', text: 'Slices' },
    { keys: ['2'], command: 'tab-models', text: 'Models' },
    { keys: ['3'], command: 'tab-training', text: 'Training' },
    { keys: ['4'], command: 'tab-volumes', text: 'Volumes' },
    { keys: ['5'], command: 'tab-next', text: 'What next' },
    { keys: ['.'], command: 'queue-next', text: 'Next suggested slice' },
    { keys: [','], command: 'queue-previous', text: 'Suggested slice before' },
    { keys: ['?'], command: 'help', text: 'This page' },
  ]],
];

const COMMANDS = new Map(TABLE.flatMap(([, rows, section]) => rows.flatMap(({ keys, command, needs = section }) =>
  keys.map((key) => [key, { command, needs }]))));

// Whether the element wants this key for itself.
function wants(element, key) {
  if (element.matches('textarea, select, input:not([type=range]):not([type=checkbox])')) return true;
  if (element.matches('input[type=range]') && key.startsWith('Arrow')) return true;
  return key === ' ' && element.matches('button, summary, a, input');
}

// run(command, key) for each key pressed outside of fields and dialogs.
export function listen(run) {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
    const key = event.shiftKey && event.key.startsWith('Arrow') ? `Shift+${event.key}` : event.key;
    const { command, needs } = COMMANDS.get(key) ?? {};
    if (!command || wants(event.target, event.key)) return;
    event.preventDefault();
    if (!needs || may(needs)) run(command, key);
    else toast({ title: whyNot(needs), key: 'access' });
  });
}

export function helpDialog() {
  const dialog = el('dialog', { class: 'help', 'aria-label': 'Keyboard' },
    el('header', {}, el('h2', {}, 'Keyboard'),
      el('button', { type: 'button', onclick: () => dialog.close() }, 'Close')),
    el('div', { class: 'help-grid' }, TABLE.map(([title, rows, section]) => el('section', { 'data-needs': section }, el('h3', {}, title),
      el('dl', {}, rows.flatMap(({ keys, show, text, needs }) => [
        el('dt', { 'data-needs': needs }, (show ?? keys).map((key) => el('kbd', {}, key))), el('dd', { 'data-needs': needs }, text)]))))));
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  return dialog;
}
