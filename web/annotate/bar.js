// The tools and what they draw with, as buttons and sliders. Holds `settings`; draws nothing.

import { choice, el, slider, toggle } from '../dom.js';
import { BACKGROUND, NOT_ANNOTATED, TARGET } from './raster.js';

const SIZES = { min: 1, max: 60 }; // pixels of the picture
const GROWTH = 1.15; // of the size, per step

export const TOOLS = [
  ['brush', 'Brush', 'Draw (b)'],
  ['eraser', 'Eraser', 'Take away (e)'],
  ['polygon', 'Polygon', 'Corner by corner; Enter or a click on the first closes it (g)'],
  ['fill', 'Fill', 'Fill an area of one value (f)'],
  ['region', 'Similar', 'Fill neighbours of similar brightness (r)'],
];
const VALUES = [
  [TARGET, 'Target', 'Lesion (1)'],
  [BACKGROUND, 'Background', 'Known not to be lesion (2)'],
  [NOT_ANNOTATED, 'Not annotated', 'Nothing is said here (3)'],
];

export class Bar {
  settings = { tool: 'brush', value: TARGET, size: 7, usePressure: true, tolerance: 0.08, opacity: 0.4, channel: 0 };

  // on: { tool(name), show() when the picture or its overlay changes, begin(with) }
  constructor(on) {
    this.on = on;
    const { settings } = this;
    this.tools = choice('Tool', TOOLS, (name) => this.setTool(name));
    this.values = choice('Draw with', VALUES, (value) => this.setValue(value));
    this.values.classList.add('annotate-values');
    this.size = slider({
      label: 'Size', id: 'annotate-size', ...SIZES, step: 1, value: settings.size, format: (value) => `${value} px`,
      onInput: (size) => this.#set({ size }),
    });
    this.tolerance = slider({
      label: 'Alike within', id: 'annotate-tolerance', min: 0.01, max: 0.4, step: 0.01, value: settings.tolerance,
      format: (value) => `${Math.round(100 * value)} %`, onInput: (tolerance) => this.#set({ tolerance }),
    });
    this.opacity = slider({
      label: 'Mask', id: 'annotate-opacity', min: 0, max: 1, step: 0.05, value: settings.opacity,
      format: (value) => `${Math.round(100 * value)} %`, onInput: (opacity) => this.#set({ opacity }),
    });
    this.pressure = toggle({
      label: 'Pen pressure', id: 'annotate-pressure', checked: true, onChange: (usePressure) => this.#set({ usePressure }),
    });
    this.channel = el('select', { id: 'annotate-channel', onchange: () => this.#set({ channel: Number(this.channel.value) }) });
    this.channelField = el('div', { class: 'inline-field', hidden: true },
      el('label', { for: 'annotate-channel' }, 'Channel'), this.channel);
    this.prediction = el('button', { type: 'button', 'data-begin': 'prediction', onclick: () => on.begin('prediction') }, 'Prediction');
    this.element = el('div', { class: 'toolbar annotate-bar', role: 'toolbar', 'aria-label': 'Drawing' },
      this.tools, this.values, this.size, this.tolerance, this.pressure, this.opacity, this.channelField,
      el('div', { class: 'annotate-begin', role: 'group', 'aria-label': 'Replace the drawing by' },
        el('span', { class: 'muted' }, 'Begin with'), this.prediction,
        el('button', { type: 'button', 'data-begin': 'nothing', title: 'All background', onclick: () => on.begin('nothing') }, 'Nothing'),
        el('button', {
          type: 'button', 'data-begin': 'scribbles', title: 'All not annotated: draw a little target and a little background',
          onclick: () => on.begin('scribbles'),
        }, 'Scribbles')));
    this.setTool(settings.tool);
    this.setValue(settings.value);
  }

  #set(change) {
    Object.assign(this.settings, change);
    this.on.show();
  }

  setTool(name) {
    this.settings.tool = name;
    this.tools.choose(name);
    this.tolerance.hidden = name !== 'region';
    this.size.hidden = name !== 'brush' && name !== 'eraser';
    this.pressure.hidden = this.size.hidden;
    this.on.tool(name);
  }

  setValue(value) {
    this.settings.value = value;
    this.values.choose(value);
  }

  // Larger by so many steps; smaller by negative ones.
  grow(steps) {
    const input = this.size.querySelector('input');
    const { size } = this.settings;
    const grown = size * GROWTH ** steps;
    input.value = steps > 0 ? Math.max(size + 1, Math.round(grown)) : Math.min(size - 1, Math.round(grown));
    input.dispatchEvent(new Event('input'));
  }

  // obstacle: why there is no prediction; '' when there is.
  setSlice({ channels }, obstacle) {
    this.settings.channel = Math.min(this.settings.channel, channels - 1);
    this.channelField.hidden = channels < 2;
    this.channel.replaceChildren(...Array.from({ length: channels }, (_, i) => el('option', { value: i }, String(i + 1))));
    this.channel.value = this.settings.channel;
    this.prediction.disabled = Boolean(obstacle);
    this.prediction.title = obstacle || 'Take what the model segments, and correct it';
  }
}
