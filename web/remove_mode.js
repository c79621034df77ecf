// "Remove lesion": the healthy translation of a slice, the residual that puts the lesion back, and both
// together, the reconstruction.

import { symmetricLimit } from './colormap.js';
import { el } from './dom.js';
import { number, signed } from './format.js';
import { grayLegend, signedLegend } from './legend.js';
import { Panel } from './panel.js';
import { plane } from './pixels.js';
import { results } from './results.js';

const LEAST_RESIDUAL = 0.05; // of the gray window: the smallest full scale of the residual

const meanDifference = (a, b) => a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length;

export class RemoveMode {
  #healthy;
  #residual;
  #reconstruction;
  #planes = null; // of the shown channel: healthy, residual, reconstruction

  // `make` builds a Panel wired to the shared cursor.
  constructor(make) {
    this.#healthy = make({ name: 'healthy', title: 'Healthy', generated: true });
    this.#residual = make({ name: 'residual', title: 'Residual', generated: true });
    this.#reconstruction = make({ name: 'reconstruction', title: 'Reconstruction', generated: true });
    this.panels = [this.#healthy, this.#residual, this.#reconstruction];
  }

  async load({ slice, model, signal }) {
    this.outputs = await results.removal(slice, model, signal);
  }

  reset() {
    this.outputs = null;
    this.#planes = null;
  }

  // The gray picture to window with the original; null before there is one.
  generated(channel) {
    return this.outputs && plane(this.outputs.translated, channel);
  }

  paint({ original, window, channel }) {
    const healthy = plane(this.outputs.translated, channel);
    const residual = plane(this.outputs.residual, channel);
    const reconstruction = plane(this.outputs.reconstruction, channel);
    const limit = symmetricLimit(residual, LEAST_RESIDUAL * (window[1] - window[0]));
    this.#planes = { healthy, residual, reconstruction };
    this.#healthy.drawGray(healthy, window);
    this.#healthy.drawOther(original, window);
    this.#healthy.setFooter(grayLegend(window));
    this.#residual.drawSigned(residual, limit);
    this.#residual.setFooter(signedLegend(limit));
    this.#reconstruction.drawGray(reconstruction, window);
    this.#reconstruction.setFooter(el('p', { class: 'caption' },
      `healthy + residual; mean error ${number(meanDifference(original, reconstruction))}`));
  }

  setCompare(mode) {
    this.#healthy.setCompare(mode);
  }

  valuesAt(i) {
    if (!this.#planes) return [];
    return [['healthy', number(this.#planes.healthy[i], 2)], ['residual', signed(this.#planes.residual[i])]];
  }
}
