// What to train: data set with what it has and lacks, method, how thoroughly; everything else under "More".
// Collects; starts nothing itself.

import { app } from './app.js';
import { choice, el } from './dom.js';
import { count, modelName } from './format.js';
import { inventory, lacks, METHODS, nextStep, presetFor, settingsFor, trainable } from './training_plan.js';

const PRESETS = ['brain', 'liver', 'synthetic128', 'synthetic48', 'tiny'];
const WIDTHS = [['0.25', '\u00bc (fast)'], ['0.5', '\u00bd'], ['1', '1 (published)']];
const BUDGETS = [['max_seconds', 'Minutes'], ['epochs', 'Epochs'], ['max_steps', 'Steps']];
const BUDGET_DEFAULTS = { max_seconds: 10, epochs: 20, max_steps: 1000 };
const EFFORTS = [['quick', 'Quick', 'Ten minutes with a narrow network'],
  ['thorough', 'Thorough', 'Up to three hours with a wider one; ends earlier when nothing gets better']];
const EFFORT_TEXT = {
  quick: '10 minutes, width \u00bc: a first impression.',
  thorough: 'Up to 3 hours, width \u00bd; stops when validation does not get better.',
  own: 'Settings of your own, below.',
};
const ACTIVATIONS = [['if_better', 'If it is no worse on the validation slices'], ['always', 'In any case'],
  ['never', 'Not by itself']];
const WEIGHTS = ['seg', 'adv', 'rec', 'lat', 'cyc', 'con'];
/** @type {[string, string, string, Record<string, string | number>][]} */
const NUMBERS = [
  ['batch', 'batch_size', 'Batch size', { min: 1, max: 256, step: 1 }],
  ['min-annotated', 'min_annotated', 'Masks per batch', { min: 0, max: 256, step: 1 }],
  ['rate', 'learning_rate', 'Learning rate', { min: 1e-8, max: 1, step: 'any' }],
  ['discriminator-rate', 'discriminator_rate', 'Discriminators\u2019 rate \u00d7', { min: 0.001, max: 100, step: 'any' }],
  ['decay', 'average_decay', 'Average, decay', { min: 0, max: 0.99999, step: 'any' }],
  ['patience', 'patience', 'Patience', { min: 1, step: 1, placeholder: 'none' }],
  ['annotated', 'annotated_fraction', 'Part of masks', { min: 0.001, max: 1, step: 'any', placeholder: 1 }],
  ['seed', 'seed', 'Seed', { min: 0, step: 1 }],
];

const options = (entries) => entries.map(([value, text]) => el('option', { value }, text ?? value));
const field = (label, control, hint) => el('div', { class: 'field' },
  el('label', { for: control.id }, label), control, hint && el('small', {}, hint));

export class TrainingForm {
  #dataset = el('select', { id: 'train-dataset', onchange: () => this.#datasetChanged() });
  #method = el('select', { id: 'train-method', onchange: () => this.#refresh() }, options(METHODS));
  #init = el('select', { id: 'train-init', onchange: () => this.#refresh() });
  #preset = el('select', { id: 'train-preset', onchange: () => this.#applyEffort() }, options(PRESETS.map((name) => [name])));
  #width = el('select', { id: 'train-width' }, options(WIDTHS));
  #augment = el('input', { id: 'train-augment', type: 'checkbox', checked: true });
  #activate = el('select', { id: 'train-activate' }, options(ACTIVATIONS));
  #budget = el('input', { id: 'train-budget', type: 'number', min: 0, step: 'any', 'aria-label': 'Budget' });
  #budgetKind = 'max_seconds';
  #budgetChoice = choice('Budget in', BUDGETS, (kind) => this.#setBudget(kind, BUDGET_DEFAULTS[kind]));
  #numbers = new Map(NUMBERS.map(([id, name, label, attributes]) => [name,
    { label, input: el('input', { id: `train-${id}`, type: 'number', ...attributes }) }]));
  #weights = new Map(WEIGHTS.map((name) => [name, el('input', {
    id: `train-weight-${name}`, type: 'number', min: 0, step: 'any', placeholder: 'preset',
  })]));
  #effort = 'quick';
  #effortChoice = choice('How thoroughly', EFFORTS, (effort) => {
    this.#effort = effort;
    this.#applyEffort();
  });
  #effortText = el('small', {});
  #counts = el('ul', { class: 'needs' });
  #can = el('p', { class: 'muted can-train' });
  #next = el('p', { class: 'next-step' });
  #preferred = '';
  #start = el('button', { type: 'submit', class: 'primary' }, 'Start training');
  #onNext;

  // onStart(request) with the body of POST /v1/jobs; onNext(to, dataset) leads where data is added.
  constructor({ onStart, onNext }) {
    this.#onNext = onNext;
    this.#numbers.get('seed').input.value = 1;
    const more = el('details', { class: 'more' }, el('summary', {}, 'More: network, budget, rates, losses'),
      el('div', { class: 'more-fields' },
        el('div', { class: 'pair' }, field('Architecture', this.#preset), field('Width', this.#width)),
        el('div', { class: 'field' }, el('label', { for: 'train-budget' }, 'Budget'),
          el('div', { class: 'budget' }, this.#budget, this.#budgetChoice)),
        el('label', { class: 'check' }, this.#augment, ' Vary the images (flips, rotation, zoom, warp, intensity)'),
        field('Becomes the active model', this.#activate),
        el('div', { class: 'pair' }, [...this.#numbers.values()].map(({ label, input }) => field(label, input))),
        el('h3', {}, 'Weights of the losses'),
        el('div', { class: 'weights' }, [...this.#weights].map(([name, input]) => field(name, input))),
        el('p', { class: 'muted' }, 'Terms that the method lacks are not used.')));
    more.addEventListener('input', () => this.#ownSettings());
    this.element = el('form', {
      class: 'training-form', 'aria-label': 'New training', 'data-needs': 'train',
      onsubmit: (event) => {
        event.preventDefault();
        onStart(this.#request());
      },
    },
    el('h2', {}, 'New training'),
    field('Data set', this.#dataset), this.#counts, this.#can, this.#next,
    field('Method', this.#method), field('Start from', this.#init),
    el('div', { class: 'field' }, el('span', { class: 'field-name' }, 'How thoroughly'), this.#effortChoice, this.#effortText),
    more, this.#start);
  }

  // Data sets or models changed; choices made so far stay. `preferred` is the data set to begin with.
  show(preferred = this.#preferred) {
    const wished = preferred && preferred !== this.#preferred ? preferred : this.#dataset.value || preferred;
    this.#preferred = preferred;
    const init = this.#init.value || 'scratch';
    this.#dataset.replaceChildren(...options(app.datasets.map(({ name }) => [name])));
    if (app.dataset(wished)) this.#dataset.value = wished;
    this.#init.replaceChildren(...options([['scratch', 'Scratch'],
      ...app.models.map((model) => [model.id, `${modelName(model)}${model.active ? ' (active)' : ''}`])]));
    this.#init.value = app.models.some(({ id }) => id === init) ? init : 'scratch';
    this.#datasetChanged();
  }

  set busy(busy) {
    this.#start.setAttribute('aria-busy', String(busy));
    this.#start.disabled = busy || !app.datasets.length;
  }

  #setBudget(kind, value) {
    this.#budgetKind = kind;
    this.#budgetChoice.choose(kind);
    this.#budget.value = value;
  }

  #ownSettings() {
    this.#effort = 'own';
    this.#effortChoice.choose('own');
    this.#effortText.textContent = EFFORT_TEXT.own;
  }

  #applyEffort() {
    this.#effortChoice.choose(this.#effort);
    this.#effortText.textContent = EFFORT_TEXT[this.#effort];
    if (this.#effort === 'own') return;
    const { weights, width, budget, augment, ...numbers } = settingsFor(this.#effort, this.#preset.value);
    for (const [name, { input }] of this.#numbers) {
      if (name !== 'seed') input.value = numbers[name] ?? '';
    }
    for (const [name, input] of this.#weights) input.value = weights[name] ?? '';
    this.#width.value = String(width);
    this.#augment.checked = augment;
    this.#setBudget(...budget);
  }

  #datasetChanged() {
    const dataset = app.dataset(this.#dataset.value);
    if (dataset?.height && this.#preset.dataset.for !== dataset.name) {
      this.#preset.value = presetFor(dataset);
      this.#preset.dataset.for = dataset.name;
      this.#applyEffort();
    } else if (!this.#effortText.textContent) {
      this.#applyEffort();
    }
    this.#refresh();
  }

  #refresh() {
    const dataset = app.dataset(this.#dataset.value);
    this.busy = false;
    // What a model is trained on from another one is that model's.
    for (const control of [this.#preset, this.#width]) control.disabled = this.#init.value !== 'scratch';
    if (!dataset) {
      this.#counts.replaceChildren(el('li', { class: 'missing' }, 'No data set yet'));
      this.#can.textContent = '';
      return this.#next.replaceChildren();
    }
    const { training } = dataset.counts;
    this.#counts.replaceChildren(...inventory(this.#method.value, training).map(({ kind, have, state, text }) =>
      el('li', { class: state, 'data-need': kind }, el('b', {}, count(have)), ` ${text}`)));
    for (const option of this.#method.options) {
      const [, name] = METHODS.find(([method]) => method === option.value);
      option.textContent = lacks(option.value, training).length ? `${name} \u2013 data is missing` : name;
    }
    const can = trainable(training).length;
    this.#can.textContent = can === METHODS.length ? 'Every method can train on this.'
      : can ? `${can} of ${METHODS.length} methods can train on this.` : 'No method can train on this yet.';
    const { text, to } = nextStep(dataset.counts);
    this.#next.replaceChildren(el('span', {}, text), to && el('button', {
      type: 'button', 'data-needs': 'annotate', onclick: () => this.#onNext(to, dataset.name),
    }, { label: 'Label', annotate: 'Annotate', upload: 'Upload' }[to]));
  }

  #request() {
    const filled = ([, input]) => input.value !== '';
    const weights = Object.fromEntries([...this.#weights].filter(filled).map(([name, input]) => [name, Number(input.value)]));
    const numbers = Object.fromEntries([...this.#numbers].filter(([, { input }]) => input.value !== '')
      .map(([name, { input }]) => [name, Number(input.value)]));
    const budget = Number(this.#budget.value) * (this.#budgetKind === 'max_seconds' ? 60 : 1);
    const scratch = this.#init.value === 'scratch';
    if (numbers.average_decay === 0) delete numbers.average_decay; // the mean teacher's own then
    return {
      kind: 'train', dataset: this.#dataset.value, method: this.#method.value, init: this.#init.value,
      ...(scratch && { preset: this.#preset.value, width: Number(this.#width.value) }),
      [this.#budgetKind]: Math.round(budget), augment: this.#augment.checked,
      activate: /** @type {'if_better' | 'always' | 'never'} */ (this.#activate.value), ...numbers,
      ...(Object.keys(weights).length && { weights }),
    };
  }
}
