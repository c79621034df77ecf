// Training: the form, the jobs, and the one that is looked at.

import { without } from './access.js';
import * as api from './api.js';
import { app } from './app.js';
import { el } from './dom.js';
import { number, percent, when } from './format.js';
import { isOver, JobView } from './job_view.js';
import { report, toast } from './toast.js';
import { TrainingForm } from './training_form.js';

const REFRESH_MS = 5000; // of the list, while it is looked at

export class TrainingView {
  #jobs = [];
  #form;
  #view = new JobView({ onChange: (job) => this.#changed(job) });
  #list = el('ol', { class: 'jobs', 'aria-label': 'Jobs' });
  #nothing = el('p', { class: 'muted' }, 'No training has run yet.');
  #timer = 0;

  // onNext(to, dataset): data is to be added; `to` is 'label', 'annotate' or 'upload'.
  constructor({ onNext }) {
    this.#form = new TrainingForm({ onStart: (request) => this.#start(request), onNext });
    this.element = el('section', { class: 'training-view page' },
      el('div', { class: 'training-side' }, without('Training', 'train'), this.#form.element),
      el('div', { class: 'training-main' }, this.#view.element,
        el('section', { class: 'job-list', 'aria-label': 'Jobs' }, el('h2', {}, 'Jobs'), this.#nothing, this.#list)));
    app.addEventListener('datasets', () => this.#form.show());
    app.addEventListener('models', () => this.#form.show());
  }

  async open(dataset) {
    this.#form.show(dataset);
    await this.#refresh(true);
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#refresh(false), REFRESH_MS);
  }

  close() {
    clearInterval(this.#timer);
  }

  async #refresh(everything) {
    try {
      if (everything) await Promise.all([app.refreshDatasets(), app.refreshModels()]);
      this.#jobs = (await api.listJobs()).items;
    } catch (error) {
      report(error, 'The jobs could not be listed');
      return;
    }
    this.#showList();
    if (!this.#view.job) {
      const wanted = this.#jobs.find((job) => !isOver(job)) ?? this.#jobs[0];
      if (wanted) this.#look(wanted);
    }
  }

  #look(job) {
    this.#view.show(job);
    this.#showList();
  }

  async #start(request) {
    this.#form.busy = true;
    try {
      const job = await api.startJob(request);
      toast({ title: job.state === 'queued' ? 'Training is queued' : 'Training has started', key: job.id });
      this.#jobs = [job, ...this.#jobs.filter(({ id }) => id !== job.id)];
      this.#look(job);
    } catch (error) {
      report(error, 'The training could not be started');
    }
    this.#form.busy = false;
  }

  #changed(job) {
    this.#jobs = this.#jobs.map((each) => (each.id === job.id ? job : each));
    this.#showList();
  }

  #showList() {
    this.#nothing.hidden = this.#jobs.length > 0;
    this.#list.replaceChildren(...this.#jobs.map((job) => el('li', {},
      el('button', {
        type: 'button', class: 'job-row', 'data-id': job.id, 'aria-pressed': String(job.id === this.#view.job?.id),
        onclick: () => this.#look(job),
      },
      el('span', { class: `pill ${job.state}` }, job.state),
      el('span', { class: 'what' }, `${job.request?.method ?? job.kind} on ${job.dataset}`),
      el('span', {}, isOver(job) ? `Dice ${number(job.dice)}` : percent(job.progress ?? 0)),
      el('span', { class: 'muted' }, when(job.created_at))))));
  }
}
