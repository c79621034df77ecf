// The calls on volumes and on the jobs that work on them (openapi.yaml).

import { everything, getJson, open, query, sendJson } from './api.js';
import { send } from './upload.js';

const enc = encodeURIComponent;

export const listVolumes = () => everything('/v1/volumes');
export const deleteVolume = (id) => open('DELETE', `/v1/volumes/${enc(id)}`);
export const volumeSlices = (id) => everything('/v1/slices', { volume: id });
export const volumeJobs = (id) => everything('/v1/jobs', { volume: id });
export const segmentVolume = (id, request) => sendJson('POST', `/v1/volumes/${enc(id)}/segment`, request);
export const translateVolume = (id, request) => sendJson('POST', `/v1/volumes/${enc(id)}/translate`, request);
export const getVolumeJob = (id) => getJson(`/v1/jobs/${enc(id)}`);
export const putDataset = (name, settings) => sendJson('PUT', `/v1/datasets/${enc(name)}`, settings);

// settings: the query's parameters. files: [{ role: 'image' | 'label' | 'organ', file }], images in order.
export function createVolume(settings, files, { onProgress, signal }) {
  const form = new FormData();
  for (const { role, file } of files) form.append(role, file, file.name);
  return send(query('/v1/volumes', settings), form, { onProgress, signal });
}
