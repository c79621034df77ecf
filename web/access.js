// What the signed-in token may do (docs/access.md). A control says what it needs with data-needs="scope" (or
// "scope scope": either will do), wherever it is made, and is not shown to whoever lacks it (theme.css); a key says
// it in keys.js. Only a control that also tells something stays, disabled: readOnlyWithout. The server decides: this
// spares people questions that it would refuse.

import { el } from './dom.js';
import { session } from './session.js';

const SCOPES = ['read', 'annotate', 'train', 'admin'];

/** @typedef {'annotate' | 'train' | 'admin'} Scope */

const lacks = (scope) => session.auth && !session.scopes.includes(scope);

/** @param {Scope} scope */
export const may = (scope) => !lacks(scope);

/** @param {Scope} scope */
export const whyNot = (scope) => `This needs the scope \u201c${scope}\u201d, which your token does not have.`;

// Stands where a control would be, for those who lack the scope.
/** @param {string} what @param {Scope} scope */
export const without = (what, scope) => el('p', { class: 'muted without', 'data-without': scope },
  `${what} needs the scope \u201c${scope}\u201d, which your token does not have.`);

const kept = []; // { buttons, scope, titles }

// The buttons of an element stay where the scope is missing, and say why they do nothing.
/** @param {HTMLElement} element @param {Scope} scope */
export function readOnlyWithout(element, scope) {
  const buttons = [...element.querySelectorAll('button')];
  kept.push({ buttons, scope, titles: buttons.map(({ title }) => title) });
  return element;
}

function show() {
  document.documentElement.dataset.lacks = SCOPES.filter(lacks).join(' ');
  for (const { buttons, scope, titles } of kept) {
    buttons.forEach((button, i) => {
      button.disabled = lacks(scope);
      button.title = lacks(scope) ? whyNot(/** @type {Scope} */ (scope)) : titles[i];
    });
  }
}

// From now on the page shows what the session allows.
export function followSession() {
  for (const event of ['begun', 'ended']) session.addEventListener(event, show);
  show();
}
