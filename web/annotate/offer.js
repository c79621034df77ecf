// Drawings that were left unsaved, told when the page is opened.

import { getSlice } from '../api.js';
import { report, toast } from '../toast.js';
import { askGone } from './dialogs.js';
import { drafts } from './drafts.js';

const GONE = 404;

// open(slice) opens it for drawing.
export async function offerDrafts(open) {
  const [draft, ...others] = await drafts.all();
  if (!draft) return;
  toast({
    title: 'A drawing was not saved', kind: 'lasting', key: 'drafts',
    lines: [`\u201c${draft.name}\u201d${others.length ? ` and ${others.length} more` : ''}: kept in this browser.`],
    action: { text: 'Open', run: () => take(draft, open) },
  });
}

async function take(draft, open) {
  try {
    await open(await getSlice(draft.slice));
  } catch (error) {
    if (error.status !== GONE) return report(error, 'The slice could not be opened');
    if (await askGone({ draft }) === 'discard') await drafts.remove(draft.slice);
  }
  return undefined;
}
