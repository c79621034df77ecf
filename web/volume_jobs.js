// What models make of a volume: jobs that segment or translate all of it, their progress, and their files.

import { without } from './access.js';
import { cancelJob, resumeJob } from './api.js';
import { app } from './app.js';
import { el } from './dom.js';
import { count, modelName, number, percent, when } from './format.js';
import { session } from './session.js';
import { report, toast } from './toast.js';
import { getVolumeJob, segmentVolume, translateVolume, volumeJobs } from './volumes_api.js';

const POLL_MS = 800; // while a job runs
const OVER = ['succeeded', 'failed', 'cancelled'];
const OUTPUTS = { mask: 'Mask', probabilities: 'Probabilities' };

function outputName(name, channels) {
  const [, kind, channel] = /^(translated|residual)-(\d+)$/.exec(name) ?? [];
  if (!kind) return OUTPUTS[name] ?? name;
  const text = kind === 'translated' ? 'Healthy volume' : 'Residual';
  return channels > 1 ? `${text}, channel ${Number(channel) + 1}` : text;
}

export class VolumeJobs {
  #volume = null;
  #jobs = [];
  #rows = new Map(); // id and state -> element
  #timer = 0;
  #list = el('ol', { class: 'volume-jobs', 'aria-label': 'Jobs on this volume', 'aria-live': 'polite' });
  #model = el('select', { id: 'volume-model' });
  #threshold = el('input', { id: 'volume-job-threshold', type: 'number', min: 0, max: 1, step: 0.05, value: 0.5 });
  #obstacle = el('p', { class: 'muted', hidden: true });
  #buttons = [
    el('button', { type: 'button', class: 'primary', 'data-run': 'segment', onclick: () => this.#start(segmentVolume, { threshold: Number(this.#threshold.value) }) }, 'Segment'),
    el('button', { type: 'button', 'data-run': 'translate', onclick: () => this.#start(translateVolume, {}) }, 'Make healthy'),
  ];

  constructor() {
    this.element = el('section', { class: 'volume-results' }, el('h2', {}, 'The whole volume'),
      el('div', { class: 'run-bar', 'data-needs': 'annotate' },
        el('label', { for: 'volume-model' }, 'Model'), this.#model,
        el('label', { for: 'volume-job-threshold' }, 'Threshold'), this.#threshold, ...this.#buttons),
      without('Segmenting it', 'annotate'), this.#obstacle, this.#list);
    app.addEventListener('models', () => this.#showModels());
  }

  async show(volume) {
    clearTimeout(this.#timer);
    this.#volume = volume;
    this.#jobs = [];
    this.#showModels();
    this.#showJobs();
    await this.#refresh();
  }

  close() {
    clearTimeout(this.#timer);
  }

  async #refresh() {
    const volume = this.#volume;
    try {
      const jobs = await volumeJobs(volume.id);
      if (volume !== this.#volume) return;
      this.#jobs = jobs;
    } catch (error) {
      report(error, 'The jobs could not be listed');
    }
    this.#showJobs();
    this.#later();
  }

  #later() {
    clearTimeout(this.#timer);
    if (this.#jobs.some(({ state }) => !OVER.includes(state))) this.#timer = setTimeout(() => this.#poll(), POLL_MS);
  }

  async #poll() {
    const volume = this.#volume;
    try {
      const jobs = await Promise.all(this.#jobs.map((job) => (OVER.includes(job.state) ? job : getVolumeJob(job.id))));
      if (volume !== this.#volume) return;
      for (const job of jobs) {
        const before = this.#jobs.find(({ id }) => id === job.id);
        if (before?.state !== job.state && job.state === 'failed') toast({ title: 'A job on the volume failed', lines: [job.error ?? ''], kind: 'bad', key: job.id });
      }
      this.#jobs = jobs;
      this.#showJobs();
    } catch (error) {
      report(error, 'The jobs could not be followed'); // silent while the server is away; asked again below
    }
    this.#later();
  }

  #showModels() {
    const chosen = this.#model.value || app.active?.id;
    this.#model.replaceChildren(...app.models.map((model) => el('option', { value: model.id }, `${modelName(model)}${model.active ? ' (active)' : ''}`)));
    if (app.models.some(({ id }) => id === chosen)) this.#model.value = chosen;
    const none = !app.models.length;
    for (const button of this.#buttons) button.disabled = none;
    this.#obstacle.hidden = !none;
    this.#obstacle.textContent = 'There is no model yet: train one first.';
  }

  async #start(call, request) {
    for (const button of this.#buttons) button.disabled = true;
    try {
      const job = await call(this.#volume.id, { model: this.#model.value, ...request });
      this.#jobs = [job, ...this.#jobs.filter(({ id }) => id !== job.id)];
      this.#showJobs();
      this.#later();
    } catch (error) {
      report(error, 'The job could not be started');
    }
    for (const button of this.#buttons) button.disabled = false;
  }

  async #ask(call, job, failure) {
    try {
      await call(job.id);
      await this.#refresh();
    } catch (error) {
      report(error, failure);
    }
  }

  // A row stays as long as only its progress changes: a button that is made anew loses the focus, and a click that
  // has begun on it.
  #showJobs() {
    /** @type {[string, HTMLElement][]} */
    const rows = this.#jobs.map((job) => {
      const state = `${job.id} ${job.state} ${job.outputs.length}`;
      const row = this.#rows.get(state) ?? this.#row(job);
      row.querySelector('.what').textContent = this.#facts(job);
      this.#showProgress(row.querySelector('.progress'), job);
      return [state, row];
    });
    this.#rows = new Map(rows);
    const elements = rows.map(([, row]) => row);
    const now = [...this.#list.children];
    if (now.length !== elements.length || now.some((row, i) => row !== elements[i])) this.#list.replaceChildren(...elements);
  }

  #showProgress(bar, { progress, state }) {
    if (!bar) return;
    bar.setAttribute('aria-valuenow', String(Math.round(100 * (progress ?? 0))));
    bar.firstChild.style.width = `${100 * (progress ?? 0)}%`;
    bar.dataset.state = state;
  }

  #facts(job) {
    const model = app.models.find(({ id }) => id === job.model);
    const mask = job.outputs.find(({ name }) => name === 'mask');
    return [
      job.kind === 'segment' ? 'Segmentation' : 'Translation to healthy', model ? modelName(model) : job.model,
      when(job.created_at), Number.isFinite(job.dice) && `Dice ${number(job.dice)} against the label file`,
      Number.isFinite(mask?.volume_ml) && `${number(mask.volume_ml, 1)} ml in ${count(mask.voxels)} voxels`,
      !OVER.includes(job.state) && `${percent(job.progress ?? 0)}, ${count(job.step)} slices`,
    ].filter(Boolean).join(' \u00b7 ');
  }

  #row(job) {
    const isOver = OVER.includes(job.state);
    return el('li', { class: 'volume-job', 'data-id': job.id, 'data-state': job.state },
      el('div', { class: 'volume-job-head' },
        el('span', { class: `pill ${job.state}` }, job.state), el('span', { class: 'what' }),
        !isOver && el('button', { type: 'button', 'data-needs': job.author === session.name ? 'annotate train' : 'train', onclick: () => this.#ask(cancelJob, job, 'The job could not be cancelled') }, 'Cancel'),
        ['cancelled', 'failed'].includes(job.state) && el('button', { type: 'button', 'data-needs': 'train', onclick: () => this.#ask(resumeJob, job, 'The job could not be started again') }, 'Start again')),
      !isOver && el('div', { class: 'progress', role: 'progressbar', 'aria-label': 'Progress', 'aria-valuemin': 0, 'aria-valuemax': 100 }, el('i')),
      job.error && el('p', { class: 'failure' }, job.error),
      job.outputs.length > 0 && el('div', { class: 'outputs' }, el('span', { class: 'generated' }, 'generated'),
        job.outputs.map(({ name, size, href }) => el('a', { class: 'button', href, download: true, 'data-output': name },
          `${outputName(name, this.#volume.channels)} (.nii.gz, ${(size / 1e6).toFixed(1)} MB)`))));
  }
}
