// How much of a data set the active model has been run on, and the job that does the rest.

import { getJob, predictDataset, sleep } from './api.js';
import { el } from './dom.js';
import { count } from './format.js';
import { report } from './toast.js';

const ASK_MS = 1000;

export class PredictionJob {
  #dataset = '';
  #text = el('span', { role: 'status' });
  #start = el('button', { type: 'button', 'data-needs': 'train', onclick: () => this.#run() }, 'Compute the rest');
  #isRunning = false;
  #onDone;

  // onDone() when a job that was begun here is over.
  constructor({ onDone }) {
    this.#onDone = onDone;
    this.element = el('div', { class: 'prediction-job', hidden: true }, this.#text, this.#start);
  }

  // null: nothing to be told.
  show(state) {
    this.element.hidden = !this.#isRunning && (!state || state.predicted >= state.total);
    if (!state || this.#isRunning) return;
    this.#dataset = state.dataset;
    this.#tell(state.predicted, state.total);
  }

  #tell(done, total) {
    this.#text.textContent = `The active model has been run on ${count(done)} of ${count(total)} slices.`;
  }

  async #run() {
    this.#isRunning = true;
    this.#start.disabled = true;
    try {
      let job = await predictDataset(this.#dataset);
      while (['queued', 'running'].includes(job.state)) {
        await sleep(ASK_MS);
        job = await getJob(job.id);
        if (job.progress > 0) this.#tell(job.step, Math.round(job.step / job.progress));
      }
      if (job.error) throw new Error(job.error);
    } catch (error) {
      report(error, 'The predictions could not be computed');
    }
    this.#isRunning = false;
    this.#start.disabled = false;
    this.#onDone();
  }
}
