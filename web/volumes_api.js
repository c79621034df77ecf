// The calls on volumes and on the jobs that work on them (openapi.yaml).

import { address, ask, everything, request } from './api.js';
import { send } from './upload.js';

/** @param {{ dataset?: string }} [filters] */
export const listVolumes = (filters) => everything('/v1/volumes', filters);
/** @param {string} id */
export const deleteVolume = (id) => request('delete', '/v1/volumes/{id}', { path: { id } });
/** @param {string} id */
export const annotationsUrl = (id) => address('get', '/v1/volumes/{id}/annotations', { path: { id } });
/** @param {string} volume */
export const volumeSlices = (volume) => everything('/v1/slices', { volume });
/** @param {string} volume */
export const volumeJobs = (volume) => everything('/v1/jobs', { volume });
/** @param {string} id @param {import('./types').Body<'/v1/volumes/{id}/segment', 'post'>} json */
export const segmentVolume = (id, json) => ask('post', '/v1/volumes/{id}/segment', { path: { id }, json });
/** @param {string} id @param {import('./types').Body<'/v1/volumes/{id}/translate', 'post'>} json */
export const translateVolume = (id, json) => ask('post', '/v1/volumes/{id}/translate', { path: { id }, json });
/** @param {string} id */
export const getVolumeJob = (id) => ask('get', '/v1/jobs/{id}', { path: { id } });
/** @param {string} name @param {import('./types').Body<'/v1/datasets/{name}', 'put'>} json */
export const putDataset = (name, json) => ask('put', '/v1/datasets/{name}', { path: { name }, json });

/**
 * Files: images in order.
 * @param {import('./types').Query<'/v1/volumes', 'post'>} settings
 * @param {{ role: 'image' | 'label' | 'organ', file: File }[]} files
 * @param {{ onProgress: (fraction: number) => void, signal: AbortSignal }} wish
 */
export function createVolume(settings, files, { onProgress, signal }) {
  const form = new FormData();
  for (const { role, file } of files) form.append(role, file, file.name);
  return send(address('post', '/v1/volumes', { query: settings }), form, { onProgress, signal });
}
