// A call as curl writes it. Pure functions.

import { exampleOf } from './schema.js';

const quoted = (text) => `'${String(text).replaceAll("'", "'\\''")}'`;

const FILES = {
  'image/png': 'slice.png', 'application/x-npy': 'slice.npy', 'application/x-nifti': 'volume.nii.gz',
  'application/octet-stream': 'model.safetensors', 'application/x-safetensors': 'model.safetensors',
};

// The body's part of the command: its example if it has one, else a file.
function bodyOf(content, resolve) {
  if (content['application/json']) {
    const example = exampleOf(content['application/json'], resolve);
    return `-H 'Content-Type: application/json' -d ${quoted(JSON.stringify(example ?? {}))}`;
  }
  const type = Object.keys(content)[0];
  if (type === 'multipart/form-data') return "-F 'image=@slice.png'";
  return `-H 'Content-Type: ${type}' --data-binary @${FILES[type] ?? 'file'}`;
}

export function curlOf({ origin, method, path, parameters, body, answer }, resolve) {
  const example = (parameter) => parameter.example ?? parameter.schema?.default ?? parameter.name.toUpperCase();
  let url = origin + path;
  const query = [];
  for (const parameter of parameters) {
    if (!parameter.required) continue;
    const value = encodeURIComponent(example(parameter));
    if (parameter.in === 'path') url = url.replace(`{${parameter.name}}`, value);
    if (parameter.in === 'query') query.push(`${parameter.name}=${value}`);
  }
  if (query.length > 0) url += `?${query.join('&')}`;
  const parts = ['curl -sS'];
  if (method !== 'get') parts.push(`-X ${method.toUpperCase()}`);
  parts.push(quoted(url));
  if (body) parts.push(bodyOf(body.content, resolve));
  const types = Object.keys(answer ?? {});
  if (types.length > 0 && !/json|text|yaml/.test(types[0])) parts.push('-o answer');
  return parts.join(' ');
}
