// Pixels of slices, masks and model outputs as numbers: { channels, height, width, data }, data being
// channel after channel, row by row; a slice's also with its `normalization`.

import { getAnnotation, request } from './api.js';
import { parseNpy } from './npy.js';

const FOREGROUND_DEVIATIONS = 5; // "foreground" divides by this many standard deviations

// One value per pixel (0...255) of an image file whose channels are all alike.
async function grayOf(blob) {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: 'none', premultiplyAlpha: 'none' });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  const gray = new Uint8Array(bitmap.width * bitmap.height);
  for (let i = 0; i < gray.length; i++) gray[i] = data[4 * i];
  return { gray, width: bitmap.width, height: bitmap.height };
}

function shaped(npy) {
  const [channels, height, width] = npy.shape.length === 2 ? [1, ...npy.shape] : npy.shape;
  return { channels, height, width, data: npy.data };
}

// .npy bytes, [H,W] or [C,H,W].
export const pixelsOfNpy = (buffer) => shaped(parseNpy(buffer));

// The slice's values, whatever it was uploaded as.
/** @param {import('./types').Slice} slice @param {AbortSignal} [signal] */
export async function loadPixels(slice, signal) {
  const content = await request('get', '/v1/slices/{id}/content', { path: { id: slice.id }, accept: 'application/x-npy', signal });
  return { ...pixelsOfNpy(await content.arrayBuffer()), normalization: slice.normalization };
}

// As a model with this normalization sees the pixels, so that its outputs compare with them. Those of a volume
// that was normalised as a whole say what they need instead.
export function normalized(pixels, models) {
  const normalization = pixels.normalization ?? models;
  if (normalization === 'unit') return { ...pixels, data: pixels.data.map((value) => 2 * value - 1) };
  if (normalization !== 'foreground') return pixels;
  const data = Float32Array.from(pixels.data);
  const size = pixels.height * pixels.width;
  for (let start = 0; start < data.length; start += size) {
    const plane = data.subarray(start, start + size);
    let count = 0;
    let sum = 0;
    let squares = 0;
    for (const value of plane) {
      if (value === 0) continue;
      count++;
      sum += value;
      squares += value * value;
    }
    const mean = sum / count;
    const deviation = Math.sqrt(Math.max(squares / count - mean * mean, 0));
    if (!count || !deviation) continue;
    for (let i = 0; i < size; i++) {
      if (plane[i] !== 0) plane[i] = (plane[i] - mean) / (FOREGROUND_DEVIATIONS * deviation);
    }
  }
  return { ...pixels, data };
}

export function plane(pixels, channel) {
  const size = pixels.height * pixels.width;
  return pixels.data.subarray(channel * size, (channel + 1) * size);
}

// a + b, value by value.
export const added = (a, b) => ({ ...a, data: a.data.map((value, i) => value + b.data[i]) });

// The annotation's mask: Uint8Array of 0, 127 and 255.
export async function loadAnnotation(sliceId, signal) {
  const response = await getAnnotation(sliceId, signal);
  return (await grayOf(await response.blob())).gray;
}

export const blobOfPng = (base64) =>
  new Blob([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], { type: 'image/png' });

// An answer's {"png": base64, "min", "max"} -> one value per pixel, to 1/255 of the range.
export async function valuesOfPng({ png, min, max }) {
  const { gray } = await grayOf(blobOfPng(png));
  return Float32Array.from(gray, (value) => min + ((max - min) * value) / 255);
}
