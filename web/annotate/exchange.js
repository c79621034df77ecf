// Masks between the page and the server. A mask's `base` is the digest that its ETag names; null is "there is none".

import { ask, getSlice, request } from '../api.js';
import { decodeMask, encodeMask } from './runs.js';

const MASK = '/v1/slices/{id}/annotation';
const HISTORY = '/v1/slices/{id}/annotation/history';
const VERSION = '/v1/slices/{id}/annotation/history/{version}';
const RESTORE = '/v1/slices/{id}/annotation/history/{version}/restore';
const JSON_TYPE = 'application/json';

/** @param {string | null} base */
const condition = (base) => (base ? { 'If-Match': `"${base}"` } : { 'If-None-Match': '*' });

/**
 * mask and base are null when there is none; began is the model whose prediction the mask began with.
 * @param {string} id
 * @param {AbortSignal} [signal]
 * @returns {Promise<{ slice: import('../types').Slice, mask: Uint8Array | null, base: string | null, began: string | null }>}
 */
export async function loadMask(id, signal) {
  const slice = await getSlice(id, signal);
  if (!slice.annotated) return { slice, mask: null, base: null, began: null };
  const answer = await request('get', MASK, { path: { id }, accept: JSON_TYPE, signal });
  const [, base] = /"([0-9a-f]+)/.exec(answer.headers.get('ETag'));
  const runs = await answer.json();
  return { slice, mask: decodeMask(runs), base, began: runs.began_with ?? null };
}

/**
 * Saves a mask that was drawn over `base`, and began with a model's prediction if `began` names it. Gives the entry of the history. A Problem of status 412 has `current`.
 * @param {string} id
 * @param {{ mask: Uint8Array, width: number, height: number, base: string | null, began: string | null, author: string }} drawn
 */
export const saveMask = (id, { mask, width, height, base, began, author }) => ask('put', MASK, {
  path: { id }, query: { author, began_with: began ?? '' }, headers: condition(base), json: encodeMask(mask, width, height),
});

/** @param {string} id */
export async function listHistory(id) {
  const items = [];
  let cursor = '';
  do {
    const page = await ask('get', HISTORY, { path: { id }, query: { limit: 500, cursor } });
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor);
  return items;
}

/** @param {string} id @param {string} version */
export async function loadVersion(id, version) {
  const answer = await request('get', VERSION, { path: { id, version }, accept: JSON_TYPE });
  return decodeMask(await answer.json());
}

/** @param {string} id @param {string} version @param {{ base: string | null, author: string }} how */
export const restoreVersion = (id, version, { base, author }) =>
  ask('post', RESTORE, { path: { id, version }, query: { author }, headers: condition(base) });
