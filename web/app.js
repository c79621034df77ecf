// What all views share: the data sets and models as last heard from the server. Dispatches 'datasets',
// 'models' (the list changed) and 'active' (another model answers now).

import * as api from './api.js';

class App extends EventTarget {
  /** @type {import('./types').Dataset[]} */
  datasets = [];
  /** @type {import('./types').Model[]} */
  models = [];

  get active() {
    return this.models.find((model) => model.active) ?? null;
  }

  dataset(name) {
    return this.datasets.find((dataset) => dataset.name === name) ?? null;
  }

  async refreshDatasets() {
    this.datasets = await api.listDatasets();
    this.dispatchEvent(new Event('datasets'));
  }

  async refreshModels() {
    const before = this.active?.id;
    this.models = await api.listModels();
    this.dispatchEvent(new Event('models'));
    if (this.active?.id !== before) this.dispatchEvent(new Event('active'));
  }
}

export const app = new App();
