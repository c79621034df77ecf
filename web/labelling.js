// Setting weak labels, of one slice or of many at once, with a way back.

import * as api from './api.js';
import { app } from './app.js';
import { count } from './format.js';
import { nameOf } from './tile.js';
import { report, toast } from './toast.js';

const AT_ONCE = 4; // requests
const TOLD_FROM = 50; // slices, from which on progress is said

/** @typedef {import('./types').Slice} Slice */
/** @typedef {import('./types').Label} Label */

const title = (changes) => (changes.length === 1 ? `${nameOf(changes[0].slice)}: ${changes[0].label}`
  : new Set(changes.map(({ label }) => label)).size === 1 ? `${count(changes.length)} slices: ${changes[0].label}`
    : `${count(changes.length)} slices have their labels again`);

// changes: what each slice shall be. onChanged(slice) for each that is. Ends early at a failure; what was done
// until then stays, and can be undone.
/**
 * @param {{ slice: Slice, label: Label }[]} changes
 * @param {(slice: Slice) => void} onChanged
 */
export async function relabel(changes, onChanged) {
  const waiting = changes.filter(({ slice, label }) => slice.label !== label);
  const all = waiting.length;
  if (!all) return;
  const done = [];
  let failure = null;
  const work = async () => {
    while (waiting.length && !failure) {
      const { slice, label } = waiting.shift();
      try {
        const changed = await api.setLabel(slice.id, label);
        done.push({ slice: changed, label: slice.label, now: label });
        onChanged(changed);
        if (all >= TOLD_FROM && done.length % 25 === 0) toast({ title: `${count(done.length)} of ${count(all)} labelled`, key: 'label' });
      } catch (error) {
        failure = error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, all) }, work));
  if (done.length) {
    toast({
      title: title(done.map(({ slice, now }) => ({ slice, label: now }))), key: 'label',
      action: { text: 'Undo', run: () => relabel(done.map(({ slice, label }) => ({ slice, label })), onChanged) },
    });
  }
  if (failure) report(failure, all === 1 ? 'The label could not be set' : `${count(all - done.length)} labels could not be set`);
  await app.refreshDatasets().catch((error) => report(error, 'The data could not be listed'));
}
