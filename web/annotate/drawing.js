// The mask that is being drawn, with undo. Dispatches 'touched' while a stroke goes on and 'changed' once an edit
// is complete.

import { Changes } from './changes.js';
import { BACKGROUND, countsOf, NOT_ANNOTATED } from './raster.js';

const UNDO_BYTES = 24 << 20;

export class Drawing extends EventTarget {
  #changes = new Changes(UNDO_BYTES);
  #before = null; // while a stroke goes on

  // mask: Uint8Array of 0, 127 and 255; taken over.
  constructor(mask, width, height) {
    super();
    this.mask = mask;
    this.width = width;
    this.height = height;
  }

  get canUndo() {
    return this.#changes.canUndo;
  }

  get canRedo() {
    return this.#changes.canRedo;
  }

  // What erasing leaves: where most is not annotated, that.
  get ground() {
    const { unknown } = countsOf(this.mask);
    return 2 * unknown > this.mask.length ? NOT_ANNOTATED : BACKGROUND;
  }

  begin() {
    this.#before ??= this.mask.slice();
  }

  touch() {
    this.dispatchEvent(new Event('touched'));
  }

  commit() {
    if (!this.#before) return;
    const changed = this.#changes.add(this.#before, this.mask);
    this.#before = null;
    if (changed) this.dispatchEvent(new Event('changed'));
  }

  // Gives the stroke up.
  cancel() {
    if (!this.#before) return;
    this.mask.set(this.#before);
    this.#before = null;
    this.touch();
  }

  // One edit: work(this) changes the mask.
  edit(work) {
    this.cancel();
    this.begin();
    work(this);
    this.commit();
  }

  replace(mask) {
    this.edit(() => this.mask.set(mask));
  }

  undo() {
    this.cancel();
    if (this.#changes.undo(this.mask)) this.dispatchEvent(new Event('changed'));
  }

  redo() {
    this.cancel();
    if (this.#changes.redo(this.mask)) this.dispatchEvent(new Event('changed'));
  }
}

// Hands the mask to the person as a gray PNG: 0, 127 and 255.
export function downloadMask({ mask, width, height }, name) {
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const context = canvas.getContext('2d');
  const image = context.createImageData(width, height);
  mask.forEach((value, i) => image.data.set([value, value, value, 255], 4 * i));
  context.putImageData(image, 0, 0);
  canvas.toBlob((blob) => {
    const link = Object.assign(document.createElement('a'), { href: URL.createObjectURL(blob), download: name });
    link.click();
    URL.revokeObjectURL(link.href);
  });
}
