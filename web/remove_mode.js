// "Remove lesion": the healthy translation of a slice, the residual that puts the lesion back, both together,
// the reconstruction, and where the residual and the mask disagree.

import { compareWithResidual } from './agreement.js';
import { symmetricLimit } from './colormap.js';
import { el } from './dom.js';
import { number, signed } from './format.js';
import { grayLegend, namedLegend, signedLegend } from './legend.js';
import { Panel } from './panel.js';
import { plane } from './pixels.js';
import { results } from './results.js';

const LEAST_RESIDUAL = 0.05; // of the gray window: the smallest full scale of the residual

const OUTLINE_ONLY = 0.001; // an opacity that tints nothing

const meanDifference = (a, b) => a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length;

export class RemoveMode {
  needsModel = true;
  #healthy;
  #residual;
  #reconstruction;
  #uncertainty;
  #compare = 'off';
  #planes = null; // of the shown channel: healthy, residual, reconstruction

  // `make` builds a Panel wired to the shared cursor; onSave(output) saves what the server answers for it.
  constructor(make, onSave) {
    const generated = (name, title, output) => make({ name, title, generated: true, onSave: output && (() => onSave(output)) });
    this.#healthy = generated('healthy', 'Healthy', 'translated');
    this.#residual = generated('residual', 'Residual', 'residual');
    this.#reconstruction = generated('reconstruction', 'Reconstruction', 'reconstruction');
    this.#uncertainty = generated('uncertainty', 'Uncertainty');
    this.panels = [this.#healthy, this.#residual, this.#reconstruction, this.#uncertainty];
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

  paint({ original, window, channel, probabilities, mask }) {
    const healthy = plane(this.outputs.translated, channel);
    const residual = plane(this.outputs.residual, channel);
    const reconstruction = plane(this.outputs.reconstruction, channel);
    const limit = symmetricLimit(residual, LEAST_RESIDUAL * (window[1] - window[0]));
    const difference = original.map((value, i) => value - healthy[i]);
    this.#planes = { healthy, residual, reconstruction };
    this.#healthy.drawGray(healthy, window);
    this.#healthy.drawOther(original, window);
    const widest = symmetricLimit(difference, LEAST_RESIDUAL * (window[1] - window[0]));
    this.#healthy.drawDifference(difference, widest);
    this.#healthy.setNote(this.#compare === 'difference' ? 'slice \u2212 healthy' : '');
    this.#healthy.setFooter(this.#compare === 'difference' ? signedLegend(widest) : grayLegend(window));
    this.#residual.drawSigned(residual, limit);
    this.#residual.setFooter(signedLegend(limit));
    this.#reconstruction.drawGray(reconstruction, window);
    this.#reconstruction.setFooter(el('p', { class: 'caption' },
      `healthy + residual; mean error ${number(meanDifference(original, reconstruction))}`));
    this.#paintUncertainty(probabilities, mask);
  }

  // Both must be there: until then it says that it is being computed.
  #paintUncertainty(probabilities, mask) {
    if (!probabilities) return;
    const { difference, disagreement } = compareWithResidual(probabilities, this.outputs.residual);
    this.#uncertainty.drawSigned(difference, 1);
    this.#uncertainty.drawMask(mask, OUTLINE_ONLY);
    this.#uncertainty.setNote(number(disagreement, 2), 'How little mask and residual cover each other: 0 the same pixels, 1 none in common');
    this.#uncertainty.setFooter(namedLegend(['residual', 'both', 'mask']));
    this.#planes.uncertainty = difference;
  }

  setCompare(mode) {
    this.#compare = mode;
    this.#healthy.setCompare(mode);
  }

  valuesAt(i) {
    if (!this.#planes) return [];
    const { healthy, residual, uncertainty } = this.#planes;
    return [['healthy', number(healthy[i], 2)], ['residual', signed(residual[i])],
      ...(uncertainty ? [['mask \u2212 residual', signed(uncertainty[i])]] : [])];
  }
}
