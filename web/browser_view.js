// The left side of "Slices": which data set, which filters, and the thumbnails; and what to do when there
// is nothing yet.

import { getSlice } from './api.js';
import { app } from './app.js';
import { choice, el } from './dom.js';
import { count } from './format.js';
import { SliceList } from './list.js';
import { toast } from './toast.js';

const LABELS = [['', 'All'], ['presence', 'Presence'], ['absence', 'Absence'], ['unknown', 'Unknown']];
const ANNOTATED = [['', 'All'], ['true', 'Annotated'], ['false', 'Not annotated']];

export class BrowserView {
  #select = el('select', { id: 'dataset', onchange: () => this.open({ dataset: this.#select.value }) });
  #label = choice('Label', LABELS, (label) => this.open({ label }));
  #annotated = choice('Annotation', ANNOTATED, (annotated) => this.open({ annotated }));
  #count = el('p', { class: 'list-count', 'aria-live': 'polite' });
  #nothing = el('p', { class: 'list-nothing', hidden: true }, 'No slice matches these filters.');
  #filters = { dataset: '', label: '', annotated: '' };
  #onFilters;
  #onSelect;

  // onSelect(slice); onFilters(filters) when they change.
  constructor({ onSelect, onFilters }) {
    this.#onFilters = onFilters;
    this.#onSelect = onSelect;
    this.list = new SliceList({ onSelect, onCount: (loaded, isAll) => this.#showCount(loaded, isAll) });
    this.element = el('aside', { class: 'browser', 'aria-label': 'Slices of the data set' },
      el('div', { class: 'filters' },
        el('div', { class: 'field' }, el('label', { for: 'dataset' }, 'Data set'), this.#select),
        this.#label, this.#annotated),
      this.list.element, this.#nothing, this.#count);
  }

  get filters() {
    return this.#filters;
  }

  // Fills the selector; true when there is at least one data set.
  showDatasets() {
    this.#select.replaceChildren(...app.datasets.map(({ name }) => el('option', { value: name }, name)));
    this.#select.value = this.#filters.dataset;
    return app.datasets.length > 0;
  }

  // Changes some filters, lists, and selects `wish` (an id, listed or not) or else what shows most.
  async open(change, wish) {
    this.#filters = { ...this.#filters, ...change };
    this.#select.value = this.#filters.dataset;
    this.#label.choose(this.#filters.label);
    this.#annotated.choose(this.#filters.annotated);
    this.#onFilters(this.#filters);
    if (!await this.list.load(this.#filters)) return;
    const found = (wish && (this.list.selectWhere(({ id }) => id === wish) || await this.#showUnlisted(wish))) ||
      this.list.selectWhere(({ label, annotated }) => label === 'presence' && annotated) ||
      this.list.selectWhere(({ label }) => label === 'presence');
    if (!found) this.list.select(0);
  }

  // A link may name a slice of a page that is not loaded yet, or one that the filters leave out.
  async #showUnlisted(id) {
    try {
      this.#onSelect(await getSlice(id));
      return true;
    } catch {
      return false; // deleted since, say: something else is shown
    }
  }

  #showCount(loaded, isAll) {
    this.#nothing.hidden = loaded > 0;
    this.list.element.hidden = loaded === 0;
    const { dataset, label, annotated } = this.#filters;
    const counts = app.dataset(dataset).counts;
    const known = annotated ? undefined : label ? counts[label] : counts.slices;
    const total = isAll ? loaded : known;
    const noun = total === 1 ? 'slice' : 'slices';
    const cases = !label && !annotated && counts.cases ? ` of ${count(counts.cases)} cases` : '';
    this.#count.textContent = total === undefined ? `${count(loaded)} loaded, more below`
      : `${count(total)} ${noun}${cases}`;
  }
}

function copyable(text) {
  return el('div', { class: 'command' }, el('code', {}, text),
    navigator.clipboard && el('button', { // absent where the page came over plain HTTP from elsewhere
      type: 'button',
      onclick: async () => {
        await navigator.clipboard.writeText(text);
        toast({ title: 'Copied', key: 'copied' });
      },
    }, 'Copy'));
}

// Instead of an empty screen: how slices get here. `dataset` is '' when there is none at all.
export function emptyState(dataset) {
  const at = location.origin;
  const name = dataset || 'mine';
  return el('section', { class: 'empty' },
    el('h2', {}, dataset ? `Data set \u201c${dataset}\u201d has no slices yet` : 'No data yet'),
    el('p', {}, 'Upload slices with a weak label each: is a lesion there, or not? A few masks come later.'),
    !dataset && copyable(`curl -X PUT ${at}/v1/datasets/${name} -H 'Content-Type: application/json' -d '{}'`),
    copyable(`curl --data-binary @slice.png -H 'Content-Type: image/png' '${at}/v1/slices?dataset=${name}&label=presence'`),
    el('p', { class: 'muted' }, 'PNG (8 or 16 bit), .npy and single-slice NIfTI are taken. This page notices by itself.'));
}
