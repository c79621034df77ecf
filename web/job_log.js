// What happened in a training, in words: beginnings, better models, going back, failures. Most recent first.

import { el } from './dom.js';
import { compact, count, duration, number } from './format.js';

const MOST = 60; // lines kept; warnings and failures are never dropped

const TEXTS = {
  start: ({ resumed_from: from, slices, parameters }) => ({
    text: (Number.isFinite(from) ? `Goes on from step ${count(from)}` : 'Started') + (slices
      ? `: ${count(slices.presence)} presence, ${count(slices.absence)} absence, ${count(slices.annotated)} annotated, ${count(slices.validation)} for validation`
      : '') + (parameters ? `; ${compact(parameters)} parameters` : ''),
  }),
  validation: ({ best, dice }) => best && Number.isFinite(dice) ? { kind: 'good', text: `Best so far: Dice ${number(dice)}` } : null,
  recovery: ({ reason, back_to: back, learning_rate: rate, recoveries }) => ({
    kind: 'warning',
    text: `Went wrong: ${reason}. Back to step ${count(back)}${Number.isFinite(rate) ? `, learning rate now ${compact(rate)}` : ''}${recoveries ? ` (${recoveries} of 2)` : ''}`,
  }),
  warning: ({ detail }) => ({ kind: 'warning', text: detail }),
  error: ({ detail }) => ({ kind: 'bad', text: detail ?? 'Failed' }),
  done: ({ dice, seconds, stopped_early: early }) => ({
    kind: 'good',
    text: `Finished${Number.isFinite(seconds) ? ` after ${duration(seconds)}` : ''}${early ? ', early: validation did not get better' : ''}${Number.isFinite(dice) ? `; best Dice ${number(dice)}` : ''}`,
  }),
};

export class JobLog {
  #list = el('ol', { class: 'log', tabindex: 0, 'aria-label': 'What happened' });
  #entries = [];

  constructor() {
    this.element = el('section', { class: 'job-log' }, el('h3', {}, 'What happened'), this.#list);
    this.#show();
  }

  clear() {
    this.#entries = [];
    this.#show();
  }

  // An event as the server stores it; most kinds say nothing here.
  add(name, event) {
    const entry = TEXTS[name]?.(event);
    if (!entry) return;
    this.#entries.unshift({ step: event.step, ...entry });
    if (this.#entries.length > MOST) {
      const last = this.#entries.findLastIndex(({ kind }) => kind !== 'warning' && kind !== 'bad');
      this.#entries.splice(last, last < 0 ? 0 : 1);
    }
    this.#show();
  }

  #show() {
    this.element.hidden = !this.#entries.length;
    this.#list.replaceChildren(...this.#entries.map(({ step, kind = '', text, more }) => el('li', { class: kind },
      el('span', { class: 'step' }, Number.isFinite(step) ? count(step) : ''), el('span', {}, text, more && el('small', {}, more)))));
  }
}
