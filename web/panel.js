// One picture of the stage: a base image, a second one to compare it with or their difference, a tinted mask,
// outlines, a cursor, a caption and a legend. Knows no API; the views give it numbers to paint.

import { el, svg } from './dom.js';
import { paintGray, paintSigned } from './colormap.js';
import { watchGestures } from './gestures.js';
import { outline } from './mask.js';

const BLINK_MS = 600; // well under three flashes a second
const SWIPE_STEP = 5; // per cent per arrow key
const MASK_RGB = [255, 176, 0];

// Fills a canvas by fillPixels(rgba).
export function paint(canvas, fillPixels) {
  const context = canvas.getContext('2d');
  const image = context.createImageData(canvas.width, canvas.height);
  fillPixels(image.data);
  context.putImageData(image, 0, 0);
}

export class Panel {
  #base = el('canvas', { class: 'base' });
  #other = el('canvas', { class: 'other' });
  #clip = el('div', { class: 'clip' }, this.#other); // swiping cuts it off where the frame is, whatever the zoom
  #difference = el('canvas', { class: 'difference', hidden: true });
  #tint = el('canvas', { class: 'tint' });
  #lines = svg('svg', { class: 'lines', 'aria-hidden': 'true', preserveAspectRatio: 'none' });
  #maskLine = svg('path', { class: 'mask-line' });
  #truthLine = svg('path', { class: 'truth-line' });
  #crossX = svg('path', { class: 'cross' });
  #crossY = svg('path', { class: 'cross' });
  #handle;
  #message = el('div', { class: 'message', hidden: true });
  #corner = el('span', { class: 'corner', hidden: true });
  #view;
  #caption;
  #note = el('span', { class: 'note' });
  #footer = el('div', { class: 'legend' });
  #swipe = 50;
  #blink = 0;
  #size = { width: 1, height: 1 };

  /**
   * onCursor(x, y) in pixels of the image, or (null) when the pointer leaves; onEnlarge on double click;
   * gestures as gestures.js takes them; onSave, if it can be saved as a file.
   * @param {{ name: string, title: string, generated?: boolean, onSave?: () => void, onEnlarge: () => void,
   *   onCursor: (x: number | null, y?: number) => void, gestures: Parameters<typeof watchGestures>[1] }} options
   */
  constructor({ name, title, generated, onCursor, onEnlarge, onSave, gestures }) {
    this.#handle = el('div', {
      class: 'handle', role: 'slider', tabindex: 0, hidden: true, 'aria-label': 'Swipe position',
      'aria-valuemin': 0, 'aria-valuemax': 100, 'aria-orientation': 'horizontal',
    });
    this.#lines.append(this.#maskLine, this.#truthLine, this.#crossX, this.#crossY);
    this.#view = el('div', { class: 'view', role: 'img', 'aria-label': title },
      this.#base, this.#clip, this.#difference, this.#tint, this.#lines);
    this.#caption = el('figcaption', {}, el('span', { class: 'title' }, title),
      this.#note,
      onSave && el('button', {
        type: 'button', class: 'quiet save', 'aria-label': `Save \u201c${title}\u201d as PNG`, title: 'Save as PNG, marked as generated', onclick: onSave,
      }, '\u2913'));
    this.element = el('figure', { class: 'panel', 'data-panel': name }, this.#caption,
      el('div', { class: 'frame' }, this.#view,
        generated && el('span', { class: 'generated', title: 'Made by the model, not measured' }, 'generated'), this.#corner, this.#handle, this.#message), this.#footer);
    this.#watchPointer(onCursor, onEnlarge);
    watchGestures(this.#view, gestures);
    this.#watchHandle();
    this.setCompare('off');
  }

  get #canvases() {
    return [this.#base, this.#other, this.#difference, this.#tint];
  }

  setSize(width, height) {
    if (width === this.#size.width && height === this.#size.height) return;
    this.#size = { width, height };
    for (const canvas of this.#canvases) {
      canvas.width = width;
      canvas.height = height;
    }
    this.#lines.setAttribute('viewBox', `0 0 ${width} ${height}`);
  }

  // Nothing of the slice before may be seen under the name of the next.
  clear() {
    for (const canvas of this.#canvases) {
      canvas.getContext('2d').clearRect(0, 0, canvas.width, canvas.height);
    }
    this.#maskLine.setAttribute('d', '');
    this.#truthLine.setAttribute('d', '');
    this.setCursor(null);
    this.setNote('');
    this.setFooter();
  }

  setTitle(title) {
    this.#caption.querySelector('.title').textContent = title;
    this.#view.setAttribute('aria-label', title);
  }

  setNote(text, hint = '') {
    this.#note.textContent = text;
    this.#note.title = hint;
  }

  setFooter(...content) {
    this.#footer.replaceChildren(...content);
  }

  drawGray(values, [low, high]) {
    paint(this.#base, (rgba) => paintGray(values, low, high, rgba));
    this.setMessage('');
  }

  drawSigned(values, limit) {
    paint(this.#base, (rgba) => paintSigned(values, limit, rgba));
    this.setMessage('');
  }

  // The image that swipe shows on the left and blink in turn.
  drawOther(values, [low, high]) {
    paint(this.#other, (rgba) => paintGray(values, low, high, rgba));
  }

  // What compare mode "difference" shows.
  drawDifference(values, limit) {
    paint(this.#difference, (rgba) => paintSigned(values, limit, rgba));
  }

  // A mask of 0 and 1, or null for none.
  drawMask(mask, opacity) {
    const alpha = Math.round(255 * opacity);
    paint(this.#tint, (rgba) => {
      if (!mask || !alpha) return;
      for (let i = 0; i < mask.length; i++) {
        if (mask[i]) rgba.set([...MASK_RGB, alpha], 4 * i);
      }
    });
    this.#maskLine.setAttribute('d', mask && opacity ? outline(mask, this.#size.width, this.#size.height) : '');
  }

  drawTruth(mask) {
    this.#truthLine.setAttribute('d', mask ? outline(mask, this.#size.width, this.#size.height) : '');
  }

  setCursor(x, y) {
    const gone = x === null;
    this.#crossX.setAttribute('d', gone ? '' : `M${x + 0.5} 0V${this.#size.height}`);
    this.#crossY.setAttribute('d', gone ? '' : `M0 ${y + 0.5}H${this.#size.width}`);
  }

  // Text over the picture; kind 'busy' adds a spinner, 'bad' is a failure. '' takes it away.
  setMessage(text, kind = '') {
    this.#message.hidden = !text;
    this.#message.className = `message ${kind}`;
    this.#message.replaceChildren(...(kind === 'busy' ? [el('span', { class: 'spinner' })] : []), text);
  }

  // 'off', 'swipe', 'blink' or 'difference'.
  setCompare(mode) {
    clearInterval(this.#blink);
    this.element.dataset.compare = mode;
    this.#handle.hidden = mode !== 'swipe';
    this.#corner.hidden = mode !== 'blink';
    this.#other.hidden = mode === 'off' || mode === 'difference';
    this.#difference.hidden = mode !== 'difference';
    if (mode === 'swipe') {
      this.#setSwipe(this.#swipe);
    } else if (mode === 'blink') {
      this.#clip.style.clipPath = 'none';
      this.#showOther(true);
      this.#blink = setInterval(() => this.#showOther(this.#other.hidden), BLINK_MS);
    }
  }

  #showOther(shown) {
    this.#other.hidden = !shown;
    this.#corner.textContent = shown ? 'original' : 'generated';
    this.#corner.classList.toggle('made-up', !shown);
  }

  #setSwipe(percentage) {
    this.#swipe = Math.min(100, Math.max(0, percentage));
    this.#clip.style.clipPath = `inset(0 ${100 - this.#swipe}% 0 0)`;
    this.#handle.style.left = `${this.#swipe}%`;
    this.#handle.setAttribute('aria-valuenow', String(Math.round(this.#swipe)));
    this.#handle.setAttribute('aria-valuetext', `${Math.round(this.#swipe)} % original`);
  }

  // In parts of an element, which may be the zoomed picture.
  #place(event, element = this.#base) {
    const box = element.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  #watchPointer(onCursor, onEnlarge) {
    this.#view.addEventListener('pointermove', (event) => {
      const [x, y] = this.#place(event);
      const inside = (part, side) => Math.min(side - 1, Math.max(0, Math.floor(part * side)));
      onCursor(inside(x, this.#size.width), inside(y, this.#size.height));
    });
    this.#view.addEventListener('pointerleave', () => onCursor(null));
    this.#view.addEventListener('dblclick', () => onEnlarge());
  }

  #watchHandle() {
    const drag = (event) => this.#setSwipe(100 * this.#place(event, this.#view)[0]);
    this.#handle.addEventListener('pointerdown', (event) => {
      this.#handle.setPointerCapture(event.pointerId);
      this.#handle.addEventListener('pointermove', drag);
    });
    this.#handle.addEventListener('lostpointercapture', () =>
      this.#handle.removeEventListener('pointermove', drag));
    this.#handle.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: -SWIPE_STEP, ArrowRight: SWIPE_STEP }[event.key];
      if (!step) return;
      this.#setSwipe(this.#swipe + step);
      event.preventDefault();
      event.stopPropagation();
    });
  }
}
