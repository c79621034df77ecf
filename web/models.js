// Models: every version with where it came from and how good it is; which one answers; going back.

import * as api from './api.js';
import { app } from './app.js';
import { Compare } from './compare.js';
import { el } from './dom.js';
import { compact, decisionText, modelName, number, percent, when } from './format.js';
import { report, toast } from './toast.js';
import { send } from './upload.js';

const PREVIOUS_KEY = 'genseg.previous-model';

const diceOf = (model) => model.metrics?.dice;

export class ModelsView {
  #rows = el('tbody');
  #table = el('table', { class: 'models' },
    el('thead', {}, el('tr', {}, ['State', 'Compare', 'Model', 'Validation Dice', 'Preset', 'Trained on', 'From', 'Made', 'Actions']
      .map((text) => el('th', { scope: 'col' }, text)))),
    this.#rows);
  #nothing = el('section', { class: 'empty', hidden: true },
    el('h2', {}, 'No models yet'),
    el('p', {}, 'A finished training job leaves a model here. It becomes the active one by itself if it is no worse.'));
  #rollBack = el('button', { type: 'button', 'data-needs': 'train', onclick: () => this.#activate(this.#previous) }, 'Roll back');
  #detail = el('aside', { class: 'detail', 'aria-label': 'Model' });
  #chosen = '';
  #marked = new Set(); // to be compared
  #shown = ''; // those that are being compared
  #compare = new Compare();
  #sure = el('dialog', { class: 'sure', 'aria-label': 'Delete the model' });
  #file = el('input', { id: 'model-file', type: 'file', accept: '.safetensors', class: 'visually-hidden', 'data-needs': 'train', onchange: () => this.#upload() });
  #uploadLabel = el('label', { class: 'button', for: 'model-file', 'data-needs': 'train' }, 'Upload weights');

  constructor() {
    this.element = el('section', { class: 'models-view page' },
      el('header', { class: 'page-header' }, el('div', {}, el('h1', {}, 'Models'),
        el('p', { class: 'muted' }, 'The active model answers every request that names none. Switching is immediate.')),
      el('div', { class: 'buttons' }, this.#file, this.#uploadLabel, this.#rollBack)),
      el('div', { class: 'split' }, el('div', { class: 'scroll' }, this.#table, this.#nothing, this.#compare.element), this.#detail), this.#sure);
    app.addEventListener('models', () => this.#show());
    this.#show();
  }

  async open() {
    try {
      await app.refreshModels();
    } catch (error) {
      report(error, 'The models could not be listed');
    }
  }

  // What was active before, as far as this browser knows; else what the active model was trained from.
  get #previous() {
    const has = (id) => id && id !== app.active?.id && app.models.some((model) => model.id === id);
    return [localStorage.getItem(PREVIOUS_KEY), app.active?.parent].find(has) ?? null;
  }

  async #activate(id) {
    const before = app.active?.id;
    try {
      await api.activateModel(id);
      if (before) localStorage.setItem(PREVIOUS_KEY, before);
      await app.refreshModels();
      toast({ title: `${modelName(app.active)} answers now`, key: 'active' });
    } catch (error) {
      report(error, 'The model could not be activated');
    }
  }

  #show() {
    const { models } = app;
    if (!models.some(({ id }) => id === this.#chosen)) this.#chosen = app.active?.id ?? models[0]?.id ?? '';
    const previous = this.#previous;
    this.#rollBack.hidden = !previous;
    this.#rollBack.textContent = previous ? `Roll back to ${this.#nameOf(previous)}` : 'Roll back';
    this.#table.hidden = !models.length;
    this.#detail.hidden = !models.length;
    this.#nothing.hidden = models.length > 0;
    const best = Math.max(...models.map((model) => diceOf(model) ?? -1));
    this.#rows.replaceChildren(...models.map((model) => this.#row(model, best)));
    this.#showDetail(models.find(({ id }) => id === this.#chosen));
    this.#showCompare();
  }

  #showCompare() {
    const marked = app.models.filter(({ id }) => this.#marked.has(id));
    const key = marked.map(({ id }) => id).join(' ');
    if (key === this.#shown) return;
    this.#shown = key;
    this.#compare.show(marked);
  }

  async #upload() {
    const [file] = this.#file.files;
    this.#file.value = '';
    if (!file) return;
    const name = file.name.replace(/\.safetensors$/i, '').slice(0, 128);
    try {
      const { answer, isNew } = await send(api.query('/v1/models', { name }), file, {
        headers: { 'Content-Type': 'application/octet-stream' },
        onProgress: (fraction) => { this.#uploadLabel.textContent = fraction < 1 ? `Uploading ${percent(fraction)}` : 'Being read\u2026'; },
      });
      this.#chosen = answer.id;
      await app.refreshModels();
      toast({ title: isNew ? `${modelName(answer)} is stored; not active yet` : `${modelName(answer)} was stored already`, key: 'upload' });
    } catch (error) {
      report(error, 'The weights could not be stored');
    }
    this.#uploadLabel.textContent = 'Upload weights';
  }

  #askDelete(model) {
    this.#sure.replaceChildren(el('h2', {}, 'Delete this model?'),
      el('p', {}, `${modelName(model)}: its weights are gone then, and it cannot be rolled back to.`),
      el('div', { class: 'buttons' },
        el('button', { type: 'button', onclick: () => this.#sure.close() }, 'Keep it'),
        el('button', { type: 'button', class: 'danger', onclick: () => { this.#sure.close(); this.#delete(model); } }, 'Delete')));
    this.#sure.showModal();
  }

  async #delete(model) {
    try {
      await api.deleteModel(model.id);
      this.#marked.delete(model.id);
      await app.refreshModels();
      toast({ title: `${modelName(model)} was deleted`, key: 'deleted' });
    } catch (error) {
      report(error, 'The model could not be deleted');
    }
  }

  #nameOf(id) {
    const model = app.models.find((each) => each.id === id);
    return model ? modelName(model) : id;
  }

  #row(model, best) {
    const dice = diceOf(model);
    const meter = el('span', { class: 'meter', 'aria-hidden': 'true' }, el('i'));
    meter.firstChild.style.width = `${100 * Math.max(0, dice ?? 0)}%`;
    return el('tr', {
      'data-id': model.id, class: model.active ? 'active' : '', 'aria-selected': String(model.id === this.#chosen),
      onclick: () => {
        this.#chosen = model.id;
        this.#show();
      },
    },
    el('td', { class: 'state' }, model.active && el('span', { class: 'pill good' }, 'active')),
    el('td', {}, el('input', {
      type: 'checkbox', 'aria-label': `Compare ${modelName(model)}`, checked: this.#marked.has(model.id),
      onclick: (event) => event.stopPropagation(),
      onchange: (event) => {
        if (event.target.checked) this.#marked.add(model.id);
        else this.#marked.delete(model.id);
        this.#showCompare();
      },
    })),
    el('td', { class: 'name', title: modelName(model) }, el('strong', {}, modelName(model)), el('small', {}, model.id)),
    el('td', { class: `dice${dice === best ? ' best' : ''}` }, number(dice, 3), meter),
    el('td', {}, `${model.preset} \u00d7 ${compact(model.width)}`),
    el('td', {}, model.dataset?.dataset ?? '\u2013'),
    el('td', { class: 'from' }, model.parent ? this.#nameOf(model.parent) : model.job ? 'scratch' : 'uploaded'),
    el('td', {}, when(model.created_at)),
    el('td', { class: 'actions' }, !model.active && el('button', {
      type: 'button', 'data-needs': 'train', 'aria-label': `Activate ${modelName(model)}`,
      onclick: (event) => {
        event.stopPropagation();
        this.#activate(model.id);
      },
    }, 'Activate')));
  }

  #showDetail(model) {
    if (!model) return this.#detail.replaceChildren();
    const table = (title, values) => {
      const entries = Object.entries(values ?? {}).filter(([, value]) => typeof value !== 'object' || value === null);
      return entries.length ? [el('h3', {}, title), el('dl', {}, entries.flatMap(([name, value]) => [
        el('dt', {}, name.replaceAll('_', ' ')),
        el('dd', { title: String(value ?? '') }, typeof value === 'number' ? compact(value)
          : name.endsWith('_at') ? when(value) : String(value ?? '\u2013')),
      ]))] : [];
    };
    this.#detail.replaceChildren(...[
      el('h2', {}, modelName(model)),
      el('p', { class: 'muted' }, model.id, model.job && el('br'), model.job && `from ${model.job}`),
      model.activation && el('p', { class: 'decision' }, decisionText(model.activation)),
      ...table('Metrics', model.metrics),
      ...table('Data', model.dataset),
      ...table('Input', model.input),
      el('a', { class: 'button', href: api.weightsUrl(model.id), download: `${model.id}.safetensors` },
        'Download weights (safetensors)'),
      !model.active && el('button', { type: 'button', class: 'danger', 'data-needs': 'admin', onclick: () => this.#askDelete(model) }, 'Delete'),
    ].filter(Boolean));
  }
}
