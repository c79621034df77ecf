// The client of the HTTP interface (openapi.yaml): fetch, problem+json turned into errors, patience with
// a busy server, and a watch on whether the server is there at all. Paths, parameters, bodies and answers
// are checked against openapi.yaml (types.d.ts) whenever the tests run.

/** @typedef {import('./types').Method} Method */
/** @typedef {import('./types').Label} Label */
/**
 * @template {Method} M
 * @typedef {import('./types').PathOf<M>} PathOf
 */
/**
 * @template {Method} M
 * @template {PathOf<M>} P
 * @typedef {import('./types').Wish<P, M>} Wish
 */

import { session } from './session.js';

const BUSY_TRIES = 5;
const BUSY_WAIT_LONGEST_MS = 10000;
const PING_MS = 2000;

// What the server refuses, as RFC 9457 says it: status, title, detail, errors[] of {field, detail}; `current` is
// what there is now where a condition was not met (412).
export class Problem extends Error {
  constructor(status, body, requestId) {
    super(body.detail || body.title || `the server answered ${status}`);
    this.name = 'Problem';
    this.status = status;
    this.title = body.title || '';
    this.errors = Array.isArray(body.errors) ? body.errors : [];
    this.current = body.current ?? null;
    this.requestId = requestId;
  }
}

// No answer at all.
export class Unreachable extends Error {
  constructor() {
    super('The server does not answer.');
    this.name = 'Unreachable';
  }
}

// Dispatches 'lost' and 'back'. While lost it asks /healthz every PING_MS.
class Connection extends EventTarget {
  isLost = false;

  lose() {
    if (this.isLost) return;
    this.isLost = true;
    this.dispatchEvent(new Event('lost'));
    setTimeout(() => this.#ping(), PING_MS);
  }

  found() {
    if (!this.isLost) return;
    this.isLost = false;
    this.dispatchEvent(new Event('back'));
  }

  async #ping() {
    try {
      const response = await fetch('/healthz', { cache: 'no-store' });
      if (response.ok) return this.found();
    } catch {
      // Still away: the next ping tells.
    }
    setTimeout(() => this.#ping(), PING_MS);
  }
}

export const connection = new Connection();

// Resolves after ms; at once when the signal aborts.
export function sleep(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}

export const isAbort = (error) => error?.name === 'AbortError';

async function problemOf(response) {
  let body = {};
  try {
    body = await response.json();
  } catch {
    // Not JSON: the status alone has to do.
  }
  return new Problem(response.status, body ?? {}, response.headers.get('X-Request-Id'));
}

function retryAfterMs(response) {
  const seconds = Number(response.headers.get('Retry-After'));
  const wait = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 1000;
  return Math.min(wait, BUSY_WAIT_LONGEST_MS);
}

/**
 * One call; the Response when it is a success. A busy server (503) is asked again a few times.
 * @param {string} method
 * @param {string} path
 * @param {{ headers?: Record<string, string>, body?: BodyInit, signal?: AbortSignal }} [wish]
 */
export async function open(method, path, { headers, body, signal } = {}) {
  for (let tries = 1; ; tries++) {
    let response;
    try {
      response = await fetch(path, { method, headers: { ...headers, ...session.headersFor(method) }, body, signal });
    } catch (error) {
      if (isAbort(error)) throw error;
      connection.lose();
      throw new Unreachable();
    }
    connection.found();
    if (response.ok) return response;
    const problem = await problemOf(response);
    if (response.status === 401) session.end();
    if (response.status !== 503 || tries === BUSY_TRIES) throw problem;
    await sleep(retryAfterMs(response), signal);
    signal?.throwIfAborted();
  }
}

export function query(path, parameters) {
  const text = new URLSearchParams(
    Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== ''));
  return text.size ? `${path}?${text}` : path;
}

/**
 * The address of a call: a path of openapi.yaml with its {names} filled in, and its query.
 * @template {Method} M
 * @template {PathOf<M>} P
 * @param {M} method
 * @param {P} path
 * @param {Wish<M, P>} [wish]
 * @returns {string}
 */
export function address(method, path, { path: names, query: parameters } = {}) {
  const values = /** @type {Record<string, string>} */ (names ?? {});
  return query(path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(values[name])), parameters ?? {});
}

/**
 * One call as openapi.yaml describes it; the Response, of type `accept` where there are several.
 * @template {Method} M
 * @template {PathOf<M>} P
 * @param {M} method
 * @param {P} path
 * @param {Wish<M, P> & { accept?: import('./types').Media<P, M> }} [wish]
 */
export function request(method, path, wish = {}) {
  const { json, signal, accept } = wish;
  const headers = /** @type {Record<string, string>} */ ({ ...wish.headers });
  if (json !== undefined) headers['Content-Type'] = 'application/json';
  if (accept) headers.Accept = accept;
  const body = json === undefined ? undefined : JSON.stringify(json);
  return open(method.toUpperCase(), address(method, path, wish), { headers, body, signal });
}

/**
 * The JSON that a call answers with.
 * @template {Method} M
 * @template {PathOf<M>} P
 * @param {M} method
 * @param {P} path
 * @param {Wish<M, P>} [wish]
 * @returns {Promise<import('./types').Answer<P, M>>}
 */
export const ask = async (method, path, wish) => (await request(method, path, wish)).json();

/**
 * All items of all pages.
 * @template {PathOf<'get'>} P
 * @param {P} path
 * @param {import('./types').Query<P, 'get'>} [parameters]
 * @returns {Promise<import('./types').ItemOf<P>[]>}
 */
export async function everything(path, parameters) {
  const items = [];
  let cursor = '';
  do {
    const page = await (await open('GET', query(path, { ...parameters, limit: 500, cursor }))).json();
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor);
  return items;
}

export const listDatasets = () => everything('/v1/datasets');
/** @param {string} name */
export const getDataset = (name) => ask('get', '/v1/datasets/{name}', { path: { name } });

/** @param {import('./types').Query<'/v1/slices', 'get'>} filters @param {AbortSignal} [signal] */
export const listSlices = (filters, signal) => ask('get', '/v1/slices', { query: filters, signal });
/** @param {string} id @param {AbortSignal} [signal] */
export const getSlice = (id, signal) => ask('get', '/v1/slices/{id}', { path: { id }, signal });
/** @param {string} id @param {Label} label */
export const setLabel = (id, label) => ask('put', '/v1/slices/{id}/label', { path: { id }, json: { label } });
/** @param {string} id */
export const imageUrl = (id, channel = 0) =>
  address('get', '/v1/slices/{id}/image', { path: { id }, query: { channel } });
/** @param {string} id @param {number} [size] of the longer side, px */
export const thumbnailUrl = (id, size = 96) =>
  address('get', '/v1/slices/{id}/thumbnail', { path: { id }, query: { size } });
/** @param {import('./types').Query<'/v1/suggestions', 'get'>} wish */
export const suggest = (wish) => ask('get', '/v1/suggestions', { query: wish });
/** @param {string} id @param {AbortSignal} signal */
export const getAnnotation = (id, signal) =>
  request('get', '/v1/slices/{id}/annotation', { path: { id }, accept: 'image/png', signal });

const NPY = 'application/x-npy';
const bytesOf = async (response) => (await response).arrayBuffer();

// .npy bytes: probabilities [H,W], of the active model or a given one.
/** @param {string} sliceId @param {AbortSignal} signal */
export const segment = (sliceId, signal) =>
  bytesOf(request('post', '/v1/segment', { json: { slice_id: sliceId }, accept: NPY, signal }));
/** @param {string} sliceId @param {string} model @param {AbortSignal} signal */
export const segmentWith = (sliceId, model, signal) =>
  bytesOf(request('post', '/v1/segment', { json: { slice_id: sliceId, model }, accept: NPY, signal }));

/** @typedef {'translated' | 'residual' | 'reconstruction'} Output */
// .npy bytes: an output of a slice, [H,W] or [C,H,W].
/** @param {string} sliceId @param {Output} output @param {AbortSignal} signal */
export const removeLesion = (sliceId, output, signal) => bytesOf(request('post', '/v1/translate',
  { query: { output }, json: { slice_id: sliceId, direction: 'presence_to_absence' }, accept: NPY, signal }));
/** @param {string} sliceId @param {number} seed @param {Output} output @param {AbortSignal} signal */
export const addLesion = (sliceId, seed, output, signal) => bytesOf(request('post', '/v1/translate',
  { query: { output }, json: { slice_id: sliceId, direction: 'absence_to_presence', seed }, accept: NPY, signal }));

// The same as PNG of one channel, marked in its metadata as generated.
/** @param {string} sliceId @param {Output} output @param {number} channel */
export const removalPicture = (sliceId, output, channel) => request('post', '/v1/translate',
  { query: { output, channel }, json: { slice_id: sliceId, direction: 'presence_to_absence' }, accept: 'image/png' });
/** @param {string} sliceId @param {number} seed @param {Output} output @param {number} channel */
export const additionPicture = (sliceId, seed, output, channel) => request('post', '/v1/translate',
  { query: { output, channel }, json: { slice_id: sliceId, direction: 'absence_to_presence', seed }, accept: 'image/png' });

/** @param {string} sliceId @param {{ seed: number, count: number, channel: number }} wish @param {AbortSignal} signal */
export const sample = (sliceId, { seed, count, channel }, signal) =>
  ask('post', '/v1/sample', { query: { channel }, json: { slice_id: sliceId, seed, count }, signal });

/** @param {string} sliceId @param {{ from: number, to: number, steps: number, channel: number }} wish @param {AbortSignal} signal */
export const interpolate = (sliceId, { from, to, steps, channel }, signal) =>
  ask('post', '/v1/sample', { query: { channel }, json: { slice_id: sliceId, interpolate: { from, to, steps } }, signal });

export const listModels = () => everything('/v1/models');
/** @param {string} id */
export const activateModel = (id) => ask('put', '/v1/models/active', { json: { id } });
/** @param {string} id */
export const deleteModel = (id) => request('delete', '/v1/models/{id}', { path: { id } });
/** @param {string} id */
export const weightsUrl = (id) => address('get', '/v1/models/{id}/weights', { path: { id } });

export const listJobs = () => ask('get', '/v1/jobs', { query: { kind: 'train', limit: 50 } });
/** @param {string} id */
export const getJob = (id) => ask('get', '/v1/jobs/{id}', { path: { id } });
/** @param {import('./types').Body<'/v1/jobs', 'post'>} request */
export const startJob = (request) => ask('post', '/v1/jobs', { json: request });
/** @param {string} dataset */
export const predictDataset = (dataset) => ask('post', '/v1/jobs', { json: { kind: 'predict', dataset } });
/** @param {string} id */
export const cancelJob = (id) => ask('post', '/v1/jobs/{id}/cancel', { path: { id } });
/** @param {string} id */
export const resumeJob = (id) => ask('post', '/v1/jobs/{id}/resume', { path: { id } });
/** @param {string} id */
export const jobEventsPath = (id) => address('get', '/v1/jobs/{id}/events', { path: { id } });
