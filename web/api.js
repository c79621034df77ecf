// The client of the HTTP interface (openapi.yaml): fetch, problem+json turned into errors, patience with
// a busy server, and a watch on whether the server is there at all.

import { session } from './session.js';

const BUSY_TRIES = 5;
const BUSY_WAIT_LONGEST_MS = 10000;
const PING_MS = 2000;

// What the server refuses, as RFC 9457 says it: status, title, detail, errors[] of {field, detail}.
export class Problem extends Error {
  constructor(status, body, requestId) {
    super(body.detail || body.title || `the server answered ${status}`);
    this.name = 'Problem';
    this.status = status;
    this.title = body.title || '';
    this.errors = Array.isArray(body.errors) ? body.errors : [];
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

// One call; the Response when it is a success. A busy server (503) is asked again a few times.
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

function withJson(json, headers = {}) {
  return { headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(json) };
}

export function query(path, parameters) {
  const text = new URLSearchParams(
    Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== ''));
  return text.size ? `${path}?${text}` : path;
}

const enc = encodeURIComponent;
export const getJson = async (path, signal) => (await open('GET', path, { signal })).json();
export const sendJson = async (method, path, json, signal) =>
  (await open(method, path, { ...withJson(json), signal })).json();

// All items of all pages.
export async function everything(path, parameters = {}) {
  const items = [];
  let cursor = '';
  do {
    const page = await getJson(query(path, { ...parameters, limit: 500, cursor }));
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor);
  return items;
}

export const listDatasets = () => everything('/v1/datasets');
export const getDataset = (name) => getJson(`/v1/datasets/${enc(name)}`);

export const listSlices = (filters, signal) => getJson(query('/v1/slices', filters), signal);
export const getSlice = (id, signal) => getJson(`/v1/slices/${enc(id)}`, signal);
export const setLabel = (id, label) => sendJson('PUT', `/v1/slices/${enc(id)}/label`, { label });
export const imageUrl = (id, channel = 0) => query(`/v1/slices/${enc(id)}/image`, { channel });
export const getContent = (id, signal) => open('GET', `/v1/slices/${enc(id)}/content`, { signal });
export const getImage = (id, channel, signal) => open('GET', imageUrl(id, channel), { signal });
export const getAnnotation = (id, signal) =>
  open('GET', `/v1/slices/${enc(id)}/annotation`, { headers: { Accept: 'image/png' }, signal });

async function npyFor(path, json, signal) {
  const response = await open('POST', path, { ...withJson(json, { Accept: 'application/x-npy' }), signal });
  return response.arrayBuffer();
}

// .npy bytes: probabilities [H,W].
export const segment = (sliceId, signal) => npyFor('/v1/segment', { slice_id: sliceId }, signal);

export const segmentWith = (sliceId, model, signal) => npyFor('/v1/segment', { slice_id: sliceId, model }, signal);

// .npy bytes: `output` ("translated", "residual") of a slice, [H,W] or [C,H,W].
export const removeLesion = (sliceId, output, signal) => npyFor(
  query('/v1/translate', { output }), { slice_id: sliceId, direction: 'presence_to_absence' }, signal);
export const addLesion = (sliceId, seed, output, signal) => npyFor(
  query('/v1/translate', { output }), { slice_id: sliceId, direction: 'absence_to_presence', seed }, signal);

export const sample = (sliceId, { seed, count, channel }, signal) =>
  sendJson('POST', query('/v1/sample', { channel }), { slice_id: sliceId, seed, count }, signal);

export const listModels = () => everything('/v1/models');
export const activateModel = (id) => sendJson('PUT', '/v1/models/active', { id });
export const deleteModel = (id) => open('DELETE', `/v1/models/${enc(id)}`);
export const weightsUrl = (id) => `/v1/models/${enc(id)}/weights`;

export const listJobs = () => getJson(query('/v1/jobs', { kind: 'train', limit: 50 }));
export const getJob = (id) => getJson(`/v1/jobs/${enc(id)}`);
export const startJob = (request) => sendJson('POST', '/v1/jobs', request);
export const cancelJob = async (id) => (await open('POST', `/v1/jobs/${enc(id)}/cancel`)).json();
export const resumeJob = async (id) => (await open('POST', `/v1/jobs/${enc(id)}/resume`)).json();
export const jobEventsPath = (id) => `/v1/jobs/${enc(id)}/events`;
