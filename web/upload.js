// Sending files with progress, which fetch does not tell: XMLHttpRequest does. Answers and failures are
// those of api.js.

import { connection, Problem, Unreachable } from './api.js';
import { session } from './session.js';

function problemOf(request) {
  let body = {};
  try {
    body = JSON.parse(request.responseText);
  } catch {
    // Not JSON: the status alone has to do.
  }
  return new Problem(request.status, body, request.getResponseHeader('X-Request-Id'));
}

/**
 * POST of a Blob or FormData. onProgress(fraction) until all is sent (1); the answer may take longer.
 * { answer, isNew }: isNew is false where the same bytes had been there before.
 * @param {string} path
 * @param {Blob | FormData} body
 * @param {{ headers?: Record<string, string>, onProgress?: (fraction: number) => void, signal?: AbortSignal }} [wish]
 */
export function send(path, body, { headers = {}, onProgress, signal } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', path);
    for (const [name, value] of Object.entries({ ...headers, ...session.headersFor('POST') })) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => onProgress?.(total ? loaded / total : 0);
    request.upload.onload = () => onProgress?.(1);
    request.onload = () => {
      connection.found();
      if (request.status === 401) session.end();
      if (request.status < 200 || request.status > 299) return reject(problemOf(request));
      resolve({ answer: JSON.parse(request.responseText), isNew: request.status === 201 });
    };
    request.onerror = () => {
      // A server may also answer before it has read everything, and close: then the connection is what is
      // seen to fail. Whether it is there at all, the next ping says.
      connection.lose();
      reject(new Unreachable());
    };
    request.onabort = () => reject(new DOMException('given up', 'AbortError'));
    signal?.addEventListener('abort', () => request.abort(), { once: true });
    request.send(body);
  });
}
