// The work list of "Slices": which data set, filters, order, search, the thumbnails, and what is done to the
// marked ones; and what to do when there is nothing yet.

import { without } from './access.js';
import { getSlice, startJob } from './api.js';
import { app } from './app.js';
import { choice, debounced, el } from './dom.js';
import { Filters, NO_FILTERS } from './filters.js';
import { count } from './format.js';
import { SliceList } from './list.js';
import { session } from './session.js';
import { report, toast } from './toast.js';

const LABELS = [['presence', 'Presence'], ['absence', 'Absence'], ['unknown', 'Unknown']];

/** @type {[import('./types').Sort, string][]} */
const SORTS = [
  ['created', 'Oldest first'], ['-created', 'Newest first'], ['name', 'By name'],
  ['-area', 'Largest prediction first'], ['area', 'Smallest prediction first'], ['-score', 'Most uncertain first'],
];
const TYPING_MS = 200;

export class BrowserView {
  #select = el('select', { id: 'dataset', onchange: () => this.open({ dataset: this.#select.value, case: '', volume: '' }) });
  #chosen = new Filters({ onChange: (change) => this.open(change), casesOf: () => this.list.cases });
  #sort = el('select', { id: 'sort', 'aria-label': 'Order', onchange: () => this.open({ sort: this.#sort.value }) },
    SORTS.map(([value, text]) => el('option', { value }, text)));
  #search = el('input', {
    type: 'search', id: 'search', placeholder: 'Search (/)', title: 'Words of the name, the case or the id', 'aria-label': 'Search', oninput: debounced(TYPING_MS, () => this.#find()),
  });
  #wide = el('button', { type: 'button', id: 'wide', 'aria-pressed': 'false', title: 'The list alone, with larger pictures (g)', onclick: () => this.widen() }, 'Wide');
  #predict = el('button', { type: 'button', class: 'quiet', 'data-needs': 'train', title: 'Run the active model on all slices, so that they can be sorted', onclick: () => this.#startPrediction() }, 'Predict');
  #marked = el('div', { class: 'marked', role: 'region', 'aria-label': 'Marked slices', hidden: true });
  #count = el('p', { class: 'list-count', 'aria-live': 'polite' });
  #nothing = el('p', { class: 'list-nothing', hidden: true }, 'No slice matches these filters.');
  #filters = { dataset: '', ...NO_FILTERS, sort: 'created' };
  #onFilters;
  #onSelect;
  #onWide;
  #markedCount = el('span', { role: 'status' });

  // onSelect(slice); onFilters(filters) when they change; onLabel(slices, label); onWide(isWide).
  constructor({ onSelect, onFilters, onLabel, onWide }) {
    this.#onFilters = onFilters;
    this.#onSelect = onSelect;
    this.#onWide = onWide;
    this.list = new SliceList({
      onSelect,
      onCount: (...counted) => this.#showCount(...counted),
      onMarks: (marked) => this.#showMarked(marked),
      onOpen: () => this.isWide && this.widen(),
    });
    const label = choice('Label the marked slices', LABELS, (value) => onLabel(this.list.marked, value));
    label.classList.add('labels');
    label.dataset.needs = 'annotate';
    this.#marked.append(this.#markedCount, label,
      el('button', { type: 'button', class: 'quiet', 'aria-label': 'Mark only the shown one', onclick: () => this.list.unmark() }, '\u00d7'));
    this.element = el('aside', { class: 'browser', 'aria-label': 'Slices of the data set' },
      el('div', { class: 'filters' },
        el('div', { class: 'field' }, el('label', { for: 'dataset' }, 'Data set'), this.#select, this.#wide),
        this.#chosen.elements,
        el('div', { class: 'find' }, this.#search, this.#sort)),
      this.list.element, this.#nothing, this.#marked, el('div', { class: 'list-foot' }, this.#count, this.#predict));
  }

  get isWide() {
    return this.element.classList.contains('wide');
  }

  // The list alone with larger pictures and words, or beside the shown slice again.
  widen() {
    const isWide = this.element.classList.toggle('wide');
    this.#wide.setAttribute('aria-pressed', String(isWide));
    this.#onWide(isWide);
    this.list.isWide = isWide;
    if (isWide) this.list.element.focus();
  }

  focusSearch() {
    this.#search.focus();
    this.#search.select();
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
    this.#chosen.show(this.#filters);
    this.#sort.value = this.#filters.sort;
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

  async #find() {
    await this.list.search(this.#search.value);
  }

  async #startPrediction() {
    try {
      const job = await startJob({ kind: 'predict', dataset: this.#filters.dataset });
      toast({ title: 'The model looks at all slices', lines: ['Their predictions appear as the list is opened again.'], key: job.id });
    } catch (error) {
      report(error, 'The prediction could not be started');
    }
  }

  #showMarked(marked) {
    this.#marked.hidden = marked < 2;
    this.#markedCount.textContent = `${count(marked)} marked`;
  }

  #showCount(loaded, isAll, search) {
    this.#nothing.hidden = loaded > 0;
    this.list.element.hidden = loaded === 0;
    if (search) {
      this.#count.textContent = `${count(loaded)} found`;
      return;
    }
    const { dataset, label, annotated, split, case: ofCase, volume } = this.#filters;
    const counts = app.dataset(dataset).counts;
    const isNarrowed = annotated || split || ofCase || volume;
    const known = isNarrowed ? undefined : label ? counts[label] : counts.slices;
    const total = isAll ? loaded : known;
    const noun = total === 1 ? 'slice' : 'slices';
    const cases = !label && !isNarrowed && counts.cases ? ` of ${count(counts.cases)} cases` : '';
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
  const curl = session.auth ? "curl -H 'Authorization: Bearer TOKEN'" : 'curl';
  return el('section', { class: 'empty' },
    el('h2', {}, dataset ? `Data set \u201c${dataset}\u201d has no slices yet` : 'No data yet'),
    el('div', { 'data-needs': 'annotate' },
      el('p', {}, 'Upload slices with a weak label each: is a lesion there, or not? A few masks come later.'),
      !dataset && copyable(`${curl} -X PUT ${at}/v1/datasets/${name} -H 'Content-Type: application/json' -d '{}'`),
      copyable(`${curl} --data-binary @slice.png -H 'Content-Type: image/png' '${at}/v1/slices?dataset=${name}&label=presence'`),
      el('p', { class: 'muted' }, 'PNG (8 or 16 bit), .npy and single-slice NIfTI are taken. This page notices by itself.')),
    without('Uploading slices', 'annotate'));
}
