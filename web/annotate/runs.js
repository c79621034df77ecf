// Masks of three values as the interface takes them: COCO RLE of the target, and of what is not annotated. Pure.

import { decodeRle } from '../rle.js';
import { BACKGROUND, NOT_ANNOTATED, TARGET } from './raster.js';

function runsOf(mask, width, height, value) {
  const counts = [];
  let inside = false;
  let run = 0;
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) {
      if ((mask[y * width + x] === value) !== inside) {
        counts.push(run);
        inside = !inside;
        run = 0;
      }
      run++;
    }
  }
  counts.push(run);
  return { size: [height, width], counts };
}

// -> { size, counts } and, where something is not annotated, not_annotated.
export function encodeMask(mask, width, height) {
  const json = runsOf(mask, width, height, TARGET);
  if (mask.includes(NOT_ANNOTATED)) json.not_annotated = runsOf(mask, width, height, NOT_ANNOTATED);
  return json;
}

// The other way round: Uint8Array of 0, 127 and 255.
export function decodeMask(json) {
  const mask = decodeRle(json).map((bit) => (bit ? TARGET : BACKGROUND));
  if (json.not_annotated) {
    decodeRle(json.not_annotated).forEach((bit, i) => {
      if (bit) mask[i] = NOT_ANNOTATED;
    });
  }
  return mask;
}
