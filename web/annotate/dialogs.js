// Questions that only the person who draws can answer. Each gives the name of the answer, '' when it was left
// (Escape).

import { el } from '../dom.js';
import { count, when } from '../format.js';
import { Picture } from '../picture.js';
import { TARGET } from './raster.js';

const targetOf = (mask) => mask?.map((value) => (value === TARGET ? 1 : 0)) ?? null;

// choices: [[name, text, class], ...]
function ask({ name, title, content, choices }) {
  return new Promise((resolve) => {
    const dialog = el('dialog', { class: 'annotate-ask', 'data-ask': name, 'aria-label': title },
      el('h2', {}, title), content,
      el('div', { class: 'actions' }, choices.map(([value, text, kind]) =>
        el('button', { type: 'button', class: kind, 'data-answer': value, onclick: () => dialog.close(value) }, text))));
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

// picture: { width, height, values, window }; mask is tinted, truth outlined.
function shown(picture, title, mask, truth = null) {
  const small = new Picture({ label: title });
  small.draw({ ...picture, mask: targetOf(mask), truth });
  return el('figure', {}, small.element, el('figcaption', {}, title));
}

function difference(mine, theirs) {
  const only = (a, b) => a.reduce((sum, value, i) => sum + (value === TARGET && b?.[i] !== TARGET ? 1 : 0), 0);
  const [ours, others] = [only(mine, theirs), theirs ? only(theirs, mine) : 0];
  return `Target: ${count(ours)} px only in yours, ${count(others)} px only in theirs.`;
}

// Somebody else saved (or took the mask away: theirs and current null) since this drawing began. -> 'mine',
// 'theirs' or ''.
export function askConflict({ picture, mine, theirs, current }) {
  const who = current ? `${current.author} saved another mask at ${when(current.created_at)}`
    : 'The mask of this slice was taken away';
  return ask({
    name: 'conflict', title: 'Somebody else was here',
    content: [
      el('p', {}, `${who}, after you began. Nothing was overwritten, and both stay in the history or in this browser.`),
      el('div', { class: 'pictures' }, shown(picture, 'Yours', mine), shown(picture, 'Theirs', theirs),
        shown(picture, 'Yours, theirs as a line', mine, theirs)),
      el('p', { class: 'difference' }, difference(mine, theirs)),
    ],
    choices: [['mine', 'Keep mine', 'primary'], ['theirs', 'Take theirs'], ['', 'Go on drawing', 'quiet']],
  });
}

// A drawing was left unsaved. stored: the mask on the server, or null. -> 'draft', 'discard' or ''.
export function askDraft({ picture, draft, stored, isChanged }) {
  return ask({
    name: 'draft', title: 'A drawing that was not saved',
    content: [
      el('p', {}, `You drew this slice at ${when(draft.at)} and did not save. ${isChanged
        ? 'Another mask was saved since: when you save yours, you will be asked which one is to stay.' : ''}`),
      el('div', { class: 'pictures' }, shown(picture, 'Your drawing', draft.mask),
        shown(picture, stored ? 'On the server' : 'On the server: none', stored)),
    ],
    choices: [['draft', 'Go on with it', 'primary'], ['discard', 'Discard it', 'danger'], ['', 'Close', 'quiet']],
  });
}

// -> 'save' or ''.
export function askEmpty({ label, isUnknown }) {
  const text = isUnknown ? 'No pixel is target or background yet: a model learns nothing from this mask.'
    : `Nothing is drawn: this says that no pixel of the slice is a lesion${label === 'presence'
      ? ', while its label says that there is one' : ''}.`;
  return ask({
    name: 'empty', title: 'Save a mask without target?', content: el('p', {}, text),
    choices: [['save', 'Save it', 'primary'], ['', 'Go on drawing', 'quiet']],
  });
}

// The slice of a draft is not on the server any more. -> 'discard' or ''.
export function askGone({ draft }) {
  return ask({
    name: 'gone', title: 'The slice was deleted',
    content: el('p', {}, `You drew in \u201c${draft.name}\u201d at ${when(draft.at)}, but the slice is not on the server any more. The drawing is still in this browser.`),
    choices: [['', 'Keep it', 'primary'], ['discard', 'Discard it', 'danger']],
  });
}
