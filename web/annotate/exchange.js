// Masks between the page and the server. A mask's `base` is the digest that its ETag names; null is "there is none".

import { everything, getSlice, open, query } from '../api.js';
import { decodeMask, encodeMask } from './runs.js';

const JSON_TYPE = 'application/json';
const place = (slice, rest = '') => `/v1/slices/${encodeURIComponent(slice)}/annotation${rest}`;
const condition = (base) => (base ? { 'If-Match': `"${base}"` } : { 'If-None-Match': '*' });

async function maskAt(path, signal) {
  const answer = await open('GET', path, { headers: { Accept: JSON_TYPE }, signal });
  const [, digest] = /"([0-9a-f]+)/.exec(answer.headers.get('ETag'));
  return { mask: decodeMask(await answer.json()), base: digest };
}

// -> { slice, mask, base }; mask and base null when there is none.
export async function loadMask(id, signal) {
  const slice = await getSlice(id, signal);
  if (!slice.annotated) return { slice, mask: null, base: null };
  return { slice, ...await maskAt(place(id), signal) };
}

// Saves a mask that began with `base`. -> the entry of the history. A Problem of status 412 has `current`.
export async function saveMask(id, { mask, width, height, base, author }) {
  const answer = await open('PUT', query(place(id), { author }), {
    headers: { 'Content-Type': JSON_TYPE, ...condition(base) },
    body: JSON.stringify(encodeMask(mask, width, height)),
  });
  return answer.json();
}

export const listHistory = (id) => everything(place(id, '/history'));

export const loadVersion = async (id, version) => (await maskAt(place(id, `/history/${encodeURIComponent(version)}`))).mask;

export async function restoreVersion(id, version, { base, author }) {
  const answer = await open('POST', query(place(id, `/history/${encodeURIComponent(version)}/restore`), { author }),
    { headers: condition(base) });
  return answer.json();
}
