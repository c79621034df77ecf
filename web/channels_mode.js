// "Channels": all channels of a slice side by side, each with the mask over it. The stage's own picture is the
// chosen channel and takes its place among the others.

import { range } from './colormap.js';
import { grayLegend, keyLegend, maskKey } from './legend.js';
import { plane } from './pixels.js';

export class ChannelsMode {
  needsModel = false;
  #make;
  #others = []; // panels of the channels that are not the chosen one
  #values = [];

  constructor(make) {
    this.#make = make;
  }

  get panels() {
    return this.#others;
  }

  // As many panels as the slice has further channels.
  prepare({ channels }) {
    while (this.#others.length < channels - 1) {
      const at = this.#others.length;
      this.#others.push(this.#make({ name: `channel-${at}`, title: 'Channel' }));
    }
    this.#others.length = channels - 1;
  }

  // The chosen channel's panel among the others, in the order of the channels.
  arrange(chosen, channel) {
    return [...this.#others.slice(0, channel), chosen, ...this.#others.slice(channel)];
  }

  async load() {}

  reset() {
    this.#values = [];
  }

  generated() {
    return null;
  }

  paint({ pixels, channel, mask, opacity, windowOf }) {
    const channels = Array.from({ length: pixels.channels }, (_, i) => i).filter((i) => i !== channel);
    this.#values = channels.map((each) => [each, plane(pixels, each)]);
    this.#values.forEach(([each, values], i) => {
      const panel = this.#others[i];
      const window = windowOf(range(values));
      panel.setTitle(`Channel ${each + 1}`);
      panel.drawGray(values, window);
      panel.drawMask(mask, opacity);
      panel.setFooter(grayLegend(window), keyLegend(mask ? [maskKey()] : []));
    });
  }

  setCompare() {}

  valuesAt(i) {
    return this.#values.map(([channel, values]) => [`channel ${channel + 1}`, values[i].toFixed(2)]);
  }
}
