// Saving what the server answers as a file. Its pictures say in their own metadata that they are generated, and
// by which model.

import { el } from './dom.js';
import { report } from './toast.js';

const safe = (text) => text.replace(/[^\w.-]+/g, '-').replace(/^-+|-+$/g, '') || 'slice';

/**
 * @param {() => Promise<Response>} open
 * @param {string[]} parts of the file's name
 */
export async function saveAs(open, parts) {
  try {
    const url = URL.createObjectURL(await (await open()).blob());
    el('a', { href: url, download: `${parts.map(safe).join('-')}.png` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  } catch (error) {
    report(error, 'The picture could not be saved');
  }
}
