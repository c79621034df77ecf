// The row of tabs: one stop for the tab key, arrows within it (WAI-ARIA's pattern; a tab opens as it gets the focus).

import { el } from './dom.js';

const STEPS = { ArrowLeft: -1, ArrowRight: 1 };

export class Tabs {
  #buttons;

  // entries: [[name, text], ...], each with a panel of the id view-name; onOpen(name).
  constructor(entries, onOpen) {
    this.#buttons = entries.map(([name, text]) => el('button', {
      type: 'button', role: 'tab', id: `tab-${name}`, 'aria-controls': `view-${name}`, onclick: () => onOpen(name),
    }, text));
    this.element = el('nav', { role: 'tablist', 'aria-label': 'Views', onkeydown: (event) => this.#key(event) }, this.#buttons);
  }

  choose(name) {
    for (const button of this.#buttons) {
      const isChosen = button.id === `tab-${name}`;
      button.setAttribute('aria-selected', String(isChosen));
      button.tabIndex = isChosen ? 0 : -1;
    }
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const { length } = this.#buttons;
    const at = this.#buttons.indexOf(event.target);
    const to = event.key === 'Home' ? 0 : event.key === 'End' ? length - 1
      : event.key in STEPS ? (at + STEPS[event.key] + length) % length : -1;
    if (to < 0) return;
    event.preventDefault();
    event.stopPropagation(); // the arrows of the page lead through slices
    this.#buttons[to].focus();
    this.#buttons[to].click();
  }
}
