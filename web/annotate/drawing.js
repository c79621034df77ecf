// The mask that is being drawn, with undo. Dispatches 'touched' while a stroke goes on and 'changed' once an edit
// is complete.

import { Changes } from './changes.js';
import { withText } from './png_text.js';
import { BACKGROUND, countsOf, NOT_ANNOTATED } from './raster.js';

const UNDO_BYTES = 24 << 20;

export class Drawing extends EventTarget {
  #changes = new Changes(UNDO_BYTES);
  #before = null; // while a stroke goes on

  // mask: Uint8Array of 0, 127 and 255; taken over. began: the model whose prediction it began with, or null.
  constructor(mask, width, height, began = null) {
    super();
    this.mask = mask;
    this.began = began;
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

  // began: what a mask that was replaced begins with. Where nothing is left of it, a drawing begins anew.
  commit(began = countsOf(this.mask).target ? this.began : null) {
    if (!this.#before) return;
    const changed = this.#changes.add(this.#before, this.mask, this.began, began);
    this.began = began;
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

  replace(mask, began = null) {
    this.cancel();
    this.begin();
    this.mask.set(mask);
    this.commit(began);
  }

  undo() {
    this.cancel();
    this.#step(this.#changes.undo(this.mask));
  }

  redo() {
    this.cancel();
    this.#step(this.#changes.redo(this.mask));
  }

  #step(edit) {
    if (!edit) return;
    this.began = edit.began;
    this.dispatchEvent(new Event('changed'));
  }
}

// Hands the mask to the person as a gray PNG: 0, 127 and 255. It says which model's prediction it began with, as the
// server's does.
export function downloadMask({ mask, width, height, began }, name) {
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const context = canvas.getContext('2d');
  const image = context.createImageData(width, height);
  mask.forEach((value, i) => image.data.set([value, value, value, 255], 4 * i));
  context.putImageData(image, 0, 0);
  canvas.toBlob(async (blob) => {
    const png = new Uint8Array(await blob.arrayBuffer());
    const marked = began ? withText(png, 'Description', `Began with the prediction of model ${began}.`) : png;
    const href = URL.createObjectURL(new Blob([marked], { type: 'image/png' }));
    const link = Object.assign(document.createElement('a'), { href, download: name });
    link.click();
    URL.revokeObjectURL(link.href);
  });
}
