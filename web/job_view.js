// One training job, live: state, progress, curves of the losses and of the validation Dice, and stopping
// or going on.

import * as api from './api.js';
import { app } from './app.js';
import { Chart } from './chart.js';
import { el } from './dom.js';
import { compact, count, decisionText, duration, number, percent, when } from './format.js';
import { JobLog } from './job_log.js';
import { follow } from './sse.js';
import { report, toast } from './toast.js';
import { TrainingPanel } from './training_panel.js';

const LOSSES = [
  ['rec', 'Reconstruction', 'Mean absolute error of the images put together again'],
  ['cyc', 'Cycle', 'Mean absolute error after adding a lesion and removing it'],
  ['lat', 'Latent', 'Mean absolute error of the codes encoded again'],
  ['adv', 'Adversarial', 'How well generated images pass for real ones; lower is better'],
  ['con', 'Consistency', 'Mean squared difference from what the teacher segments'],
  ['seg', 'Segmentation', 'Minus the soft Dice on annotated images; −1 is perfect'],
  ['disc', 'Discriminators', 'Hinge loss of the two discriminators'],
];
const OVER = ['succeeded', 'failed', 'cancelled'];

export const isOver = (job) => OVER.includes(job.state);

export class JobView {
  /** @type {(import('./types').Job & { seconds?: number, epoch?: number }) | null} */
  #job = null;
  #following = new AbortController();
  #title = el('h2');
  #state = el('span', { class: 'pill' });
  #facts = el('p', { class: 'muted' });
  #bar = el('div', { class: 'progress', role: 'progressbar', 'aria-label': 'Progress', 'aria-valuemin': 0, 'aria-valuemax': 100 },
    el('i'));
  #numbers = el('p', { class: 'numbers' });
  #error = el('p', { class: 'failure', hidden: true });
  #decision = el('p', { class: 'decision', hidden: true });
  #cancel = el('button', { type: 'button', 'data-needs': 'train', onclick: () => this.#ask(api.cancelJob, 'The job could not be cancelled') }, 'Cancel');
  #resume = el('button', { type: 'button', 'data-needs': 'train', onclick: () => this.#ask(api.resumeJob, 'The job could not be resumed') }, 'Resume');
  #dice = new Chart({ name: 'dice', title: 'Validation Dice', hint: 'On held-out annotated slices; 1 is perfect', bounds: [0, 1], dots: true });
  #charts = new Map(LOSSES.map(([name, title, hint]) => [name, new Chart({ name, title, hint })]));
  #panel = new TrainingPanel();
  #log = new JobLog();
  #isStopping = false;
  #onChange;
  #drawing = 0;

  // onChange(job) whenever something about it changed, at most once a frame.
  constructor({ onChange }) {
    this.#onChange = onChange;
    this.element = el('section', { class: 'job', 'aria-label': 'Training job', hidden: true },
      el('header', {}, el('div', {}, el('div', { class: 'job-title' }, this.#title, this.#state), this.#facts),
        el('div', { class: 'actions' }, this.#cancel, this.#resume)),
      el('div', {}, this.#bar, this.#numbers, this.#error, this.#decision),
      this.#panel.element,
      el('div', { class: 'charts' }, ...this.#allCharts.map(({ element }) => element)),
      this.#log.element);
    // The step under the pointer is shown in all of them.
    for (const chart of this.#allCharts) {
      chart.onHover = (step) => this.#allCharts.forEach((other) => other !== chart && other.hover(step));
    }
  }

  get #allCharts() {
    return [this.#dice, ...this.#charts.values()];
  }

  get job() {
    return this.#job;
  }

  show(job) {
    if (job.id !== this.#job?.id) {
      for (const chart of this.#allCharts) chart.clear();
      this.#log.clear();
      this.#isStopping = false;
      this.#job = job;
      this.#panel.show(job.id);
      this.#follow();
    }
    this.#job = job;
    this.#later();
  }

  // Listens from the first event on: the curves are whole whenever one looks.
  async #follow() {
    this.#following.abort();
    this.#following = new AbortController();
    const { signal } = this.#following;
    try {
      await follow(api.jobEventsPath(this.#job.id), {
        signal,
        onEvent: ({ name, data }) => !signal.aborted && this.#hear(name, JSON.parse(data)),
      });
      if (!signal.aborted) await this.#refresh();
    } catch (error) {
      report(error, 'The job could not be followed');
    }
  }

  // True when nothing more will come.
  #hear(name, event) {
    this.#log.add(name, event);
    if (name === 'progress') {
      for (const [loss, chart] of this.#charts) chart.add(event.step, event.losses?.[loss]);
      Object.assign(this.#job, { progress: event.fraction, step: event.step, epoch: event.epoch, seconds: event.seconds });
    } else if (name === 'validation') {
      this.#dice.add(event.step, event.dice);
      this.#panel.refresh();
      if (event.best) this.#job.dice = event.dice;
    } else if (name === 'state') {
      this.#job.state = event.state;
    }
    this.#later();
    return name === 'state' && isOver(this.#job);
  }

  async #refresh() {
    const { seconds, epoch } = this.#job;
    this.#job = { seconds, epoch, ...await api.getJob(this.#job.id) };
    this.#later();
    if (this.#job.state === 'succeeded') await app.refreshModels();
  }

  async #ask(call, failure) {
    try {
      const wasOver = isOver(this.#job);
      this.#isStopping = !wasOver;
      const job = { ...this.#job, ...await call(this.#job.id) };
      if (wasOver) this.#job = null; // its events are followed anew
      this.show(job);
      if (job.state === 'running') toast({ title: 'Stopping at the next checkpoint', key: job.id });
    } catch (error) {
      this.#isStopping = false;
      report(error, failure);
      this.#later();
    }
  }

  // A finished job's events arrive by the hundred: once per frame is enough.
  #later() {
    this.#drawing ||= requestAnimationFrame(() => {
      this.#drawing = 0;
      this.#draw();
      this.#onChange(this.#job);
    });
  }

  #draw() {
    const job = this.#job;
    const { request = {} } = job;
    this.element.hidden = false;
    this.#title.textContent = `${request.method ?? job.kind} on ${job.dataset}`;
    const isStopping = this.#isStopping && job.state === 'running';
    this.#state.textContent = isStopping ? 'stopping' : job.state;
    this.#state.className = `pill ${job.state}`;
    this.#facts.textContent = [
      job.id, request.preset && `${request.preset} \u00d7 ${compact(request.width)}`,
      request.batch_size && `batches of ${request.batch_size}`, `started ${when(job.started_at ?? job.created_at)}`,
    ].filter(Boolean).join(' \u00b7 ');
    const fraction = job.progress ?? 0;
    this.#bar.setAttribute('aria-valuenow', String(Math.round(100 * fraction)));
    this.#bar.firstChild.style.width = `${100 * fraction}%`;
    this.#bar.dataset.state = job.state;
    const left = job.state === 'running' && fraction > 0.02 && job.seconds
      ? `about ${duration((job.seconds * (1 - fraction)) / fraction)} left` : null;
    this.#numbers.replaceChildren(...[
      percent(fraction), job.step ? `step ${count(job.step)}` : null, Number.isFinite(job.epoch) ? `epoch ${Math.floor(job.epoch)}` : null,
      job.seconds ? duration(job.seconds) : null, left, Number.isFinite(job.dice) ? `best Dice ${number(job.dice)}` : null,
    ].filter(Boolean).map((text) => el('span', {}, text)));
    // Each method has losses of its own.
    for (const chart of this.#charts.values()) chart.element.hidden = chart.isEmpty && job.step > 0;
    this.#error.hidden = !job.error;
    this.#error.textContent = job.error ?? '';
    this.#decision.hidden = !job.activation;
    this.#decision.textContent = job.activation ? decisionText(job.activation) : '';
    this.#cancel.hidden = isOver(job);
    this.#cancel.disabled = isStopping;
    this.#resume.hidden = !['cancelled', 'failed'].includes(job.state);
  }
}
