// What to train: data set with what it still lacks, method, size, budget. Collects; starts nothing itself.

import { app } from './app.js';
import { choice, el } from './dom.js';
import { count, modelName } from './format.js';

const METHODS = [
  ['genseg', 'GenSeg'],
  ['genseg_separate_decoder', 'GenSeg, separate decoder'],
  ['segmentation_only', 'Segmentation only (baseline)'],
  ['autoencoder', 'Autoencoder (baseline)'],
  ['mean_teacher', 'Mean teacher (baseline)'],
];
const PRESETS = ['brain', 'liver', 'synthetic128', 'synthetic48', 'tiny'];
const WIDTHS = [['0.25', '\u00bc (fast)'], ['0.5', '\u00bd'], ['1', '1 (published)']];
const BUDGETS = [['max_seconds', 'Minutes'], ['epochs', 'Epochs'], ['max_steps', 'Steps']];
const BUDGET_DEFAULTS = { max_seconds: 10, epochs: 20, max_steps: 1000 };
const WEIGHTS = [['seg', 0.01], ['adv', 3], ['rec', 50], ['lat', 1], ['cyc', 50], ['con', 0.01]];

// What each method cannot do without: [count, what it is].
const PRESENCE = ['presence', 'slices labelled presence'];
const ABSENCE = ['absence', 'slices labelled absence'];
const ANNOTATED = ['annotated_presence', 'annotated presence slices'];
const NEEDS = {
  genseg: [PRESENCE, ABSENCE, ANNOTATED],
  genseg_separate_decoder: [PRESENCE, ABSENCE, ANNOTATED],
  segmentation_only: [ANNOTATED],
  autoencoder: [PRESENCE, ABSENCE, ANNOTATED],
  mean_teacher: [PRESENCE, ANNOTATED],
};

const options = (entries) => entries.map(([value, text]) => el('option', { value }, text ?? value));
const field = (label, control, hint) => el('div', { class: 'field' },
  el('label', { for: control.id }, label), control, hint && el('small', {}, hint));

// The preset whose images are most like these: only the network's shape depends on it.
function presetFor({ channels, height, width }) {
  if (Math.min(height, width) < 32) return 'tiny';
  if (Math.max(height, width) <= 64) return 'synthetic48';
  return channels > 1 || height >= 1.5 * width ? 'brain' : 'liver';
}

export class TrainingForm {
  #dataset = el('select', { id: 'train-dataset', onchange: () => this.#refresh() });
  #method = el('select', { id: 'train-method', onchange: () => this.#refresh() }, options(METHODS));
  #init = el('select', { id: 'train-init' });
  #preset = el('select', { id: 'train-preset' }, options(PRESETS.map((name) => [name])));
  #width = el('select', { id: 'train-width' }, options(WIDTHS));
  #batch = el('input', { id: 'train-batch', type: 'number', min: 1, max: 64, value: 4 });
  #rate = el('input', { id: 'train-rate', type: 'number', min: 1e-6, max: 1, step: 'any', value: 0.001 });
  #augment = el('input', { id: 'train-augment', type: 'checkbox', checked: true });
  #annotated = el('input', { id: 'train-annotated', type: 'number', min: 0.001, max: 1, step: 'any', placeholder: 1 });
  #seed = el('input', { id: 'train-seed', type: 'number', min: 0, step: 1, value: 1 });
  #preferred = '';
  #budgetKind = 'max_seconds';
  #budget = el('input', { id: 'train-budget', type: 'number', min: 0, step: 'any', 'aria-label': 'Budget', value: 10 });
  #budgetChoice = choice('Budget in', BUDGETS, (kind) => this.#setBudget(kind));
  #weights = new Map(WEIGHTS.map(([name, value]) => [name, el('input', {
    id: `train-weight-${name}`, type: 'number', min: 0, step: 'any', placeholder: value,
  })]));
  #counts = el('ul', { class: 'needs' });
  #start = el('button', { type: 'submit', class: 'primary' }, 'Start training');

  // onStart(request) with the body of POST /v1/jobs.
  constructor({ onStart }) {
    this.#budgetChoice.choose(this.#budgetKind);
    this.#width.value = '0.25';
    this.element = el('form', {
      class: 'training-form', 'aria-label': 'New training',
      onsubmit: (event) => {
        event.preventDefault();
        onStart(this.#request());
      },
    },
    el('h2', {}, 'New training'),
    field('Data set', this.#dataset), this.#counts,
    field('Method', this.#method), field('Start from', this.#init),
    el('div', { class: 'pair' }, field('Architecture', this.#preset), field('Width', this.#width)),
    el('div', { class: 'field' }, el('label', { for: 'train-budget' }, 'Budget'),
      el('div', { class: 'budget' }, this.#budget, this.#budgetChoice)),
    el('div', { class: 'pair' }, field('Batch size', this.#batch), field('Learning rate', this.#rate)),
    el('label', { class: 'check' }, this.#augment, ' Vary the images (flips, rotation, zoom, warp, intensity)'),
    el('details', {}, el('summary', {}, 'Loss weights, masks and seed'),
      el('div', { class: 'weights' }, [...this.#weights].map(([name, input]) => field(name, input)),
        field('part of masks', this.#annotated), field('seed', this.#seed)),
      el('p', { class: 'muted' }, 'Empty: as shown. More annotations want a larger seg.')),
    this.#start);
  }

  // Data sets or models changed; choices made so far stay. `preferred` is the data set to begin with.
  show(preferred = this.#preferred) {
    this.#preferred = preferred;
    const dataset = this.#dataset.value || preferred;
    const init = this.#init.value || 'scratch';
    this.#dataset.replaceChildren(...options(app.datasets.map(({ name }) => [name])));
    if (app.dataset(dataset)) this.#dataset.value = dataset;
    this.#init.replaceChildren(...options([['scratch', 'Scratch'],
      ...app.models.map((model) => [model.id, `${modelName(model)}${model.active ? ' (active)' : ''}`])]));
    this.#init.value = app.models.some(({ id }) => id === init) ? init : 'scratch';
    this.#refresh();
  }

  set busy(busy) {
    this.#start.setAttribute('aria-busy', String(busy));
    this.#start.disabled = busy || !app.datasets.length;
  }

  #setBudget(kind) {
    this.#budgetKind = kind;
    this.#budget.value = BUDGET_DEFAULTS[kind];
  }

  #refresh() {
    const dataset = app.dataset(this.#dataset.value);
    this.busy = false;
    if (!dataset) return this.#counts.replaceChildren(el('li', { class: 'missing' }, 'No data set yet'));
    const counts = dataset.counts.training; // what is not held out for validation and test
    if (this.#preset.dataset.for !== dataset.name && dataset.height) {
      this.#preset.value = presetFor(dataset);
      this.#preset.dataset.for = dataset.name;
    }
    const needed = NEEDS[this.#method.value];
    const rows = [...needed, ...[PRESENCE, ABSENCE, ANNOTATED].filter((row) => !needed.includes(row))];
    this.#counts.replaceChildren(...rows.map(([key, what]) => {
      const have = counts[key];
      const kind = !needed.includes(rows.find((row) => row[0] === key)) ? 'unused' : have ? 'enough' : 'missing';
      return el('li', { class: kind, 'data-need': key }, el('b', {}, count(have)), ` ${what}`,
        kind === 'missing' ? ' \u2013 at least one is needed' : kind === 'unused' ? ' \u2013 not used by this method' : '');
    }));
  }

  #request() {
    const weights = Object.fromEntries([...this.#weights].filter(([, input]) => input.value !== '')
      .map(([name, input]) => [name, Number(input.value)]));
    const budget = Number(this.#budget.value) * (this.#budgetKind === 'max_seconds' ? 60 : 1);
    const scratch = this.#init.value === 'scratch';
    return {
      kind: 'train', dataset: this.#dataset.value, method: this.#method.value, init: this.#init.value,
      ...(scratch && { preset: this.#preset.value, width: Number(this.#width.value) }),
      batch_size: Number(this.#batch.value), [this.#budgetKind]: Math.round(budget),
      learning_rate: Number(this.#rate.value), augment: this.#augment.checked, seed: Number(this.#seed.value),
      ...(Object.keys(weights).length && { weights }),
      ...(this.#annotated.value !== '' && { annotated_fraction: Number(this.#annotated.value) }),
    };
  }
}
