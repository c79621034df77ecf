// Short messages in the corner. Problems stay longer and name each bad field.

import { el } from './dom.js';
import { isAbort, Unreachable } from './api.js';

const INFO_MS = 4000;
const PROBLEM_MS = 12000;
const MOST = 4;

let stack;

/**
 * kind: 'info', 'bad', or 'lasting', which stays. Messages of the same `key` replace each other.
 * @param {{ title: string, lines?: string[], kind?: string, key?: string, action?: { text: string, run: () => void } }} message
 */
export function toast({ title, lines = [], kind = 'info', action, key }) {
  stack ??= document.body.appendChild(el('div', { class: 'toasts', role: 'status', 'aria-live': 'polite' }));
  const close = () => item.remove();
  const item = el('div', { class: `toast ${kind}`, 'data-key': key },
    el('div', { class: 'toast-text' }, el('strong', {}, title), lines.map((line) => el('p', {}, line))),
    action && el('button', { type: 'button', onclick: () => { close(); action.run(); } }, action.text),
    el('button', { type: 'button', class: 'quiet', 'aria-label': 'Dismiss', onclick: close }, '\u00d7'));
  if (key) dismiss(key);
  stack.append(item);
  while (stack.children.length > MOST) stack.firstChild.remove();
  if (kind !== 'lasting') setTimeout(close, kind === 'bad' ? PROBLEM_MS : INFO_MS);
}

// Takes the messages of a key away.
export function dismiss(key) {
  stack?.querySelectorAll(`[data-key="${key}"]`).forEach((old) => old.remove());
}

// What went wrong, in words. Silent for calls given up on purpose, and while the server is away, since the
// banner says so already.
export function report(error, doing) {
  if (isAbort(error) || error instanceof Unreachable) return;
  const lines = [error.message];
  for (const { field, detail } of error.errors ?? []) {
    if (detail !== error.message) lines.push(field ? `${field}: ${detail}` : detail);
  }
  if (error.requestId) lines.push(`Request ${error.requestId}`);
  toast({ title: doing, lines, kind: 'bad', key: `${doing} ${error.message}`.replace(/["\\]/g, '') });
}
