// Which slices the work list shows: label and annotation at hand; split, case and volume under "More filters".

import { choice, el } from './dom.js';
import { count } from './format.js';
import { report } from './toast.js';
import { listVolumes } from './volumes_api.js';

const LABELS = [['', 'All'], ['presence', 'Presence'], ['absence', 'Absence'], ['unknown', 'Unknown']];
const ANNOTATED = [['', 'All'], ['true', 'Annotated'], ['false', 'Not annotated']];
const SPLITS = [['', 'All'], ['train', 'Train'], ['validation', 'Validation'], ['test', 'Test']];
const MOST_CASES = 500; // offered while one types

/** @type {{ label: string, annotated: string, split: string, case: string, volume: string }} */
export const NO_FILTERS = { label: '', annotated: '', split: '', case: '', volume: '' };

const option = (value, text) => el('option', { value }, text);

export class Filters {
  #label;
  #annotated;
  #split;
  #case;
  #volume;
  #cases = el('datalist', { id: 'cases' });
  #summary = el('summary');
  #dataset = '';
  #casesOf;

  // onChange(change) of some filters; casesOf() names the cases of what is listed.
  constructor({ onChange, casesOf }) {
    this.#casesOf = casesOf;
    this.#label = choice('Label', LABELS, (label) => onChange({ label }));
    this.#annotated = choice('Annotation', ANNOTATED, (annotated) => onChange({ annotated }));
    this.#split = choice('Split', SPLITS, (split) => onChange({ split }));
    this.#case = el('input', { id: 'case', list: 'cases', maxlength: 128, placeholder: 'all', onchange: () => onChange({ case: this.#case.value.trim() }) });
    this.#volume = el('select', { id: 'volume', onchange: () => onChange({ volume: this.#volume.value }) });
    this.#showVolumes([]);
    this.elements = [this.#label, this.#annotated, el('details', { class: 'more-filters', ontoggle: (event) => event.target.open && this.#offer() },
      this.#summary, el('div', {}, this.#split,
        el('div', { class: 'field' }, el('label', { for: 'case' }, 'Case'), this.#case, this.#cases),
        el('div', { class: 'field' }, el('label', { for: 'volume' }, 'Volume'), this.#volume)))];
  }

  show(filters) {
    this.#label.choose(filters.label);
    this.#annotated.choose(filters.annotated);
    this.#split.choose(filters.split);
    this.#case.value = filters.case;
    if (![...this.#volume.options].some(({ value }) => value === filters.volume)) this.#volume.append(option(filters.volume, filters.volume));
    this.#volume.value = filters.volume;
    const active = ['split', 'case', 'volume'].filter((name) => filters[name]).length;
    this.#summary.textContent = active ? `More filters (${count(active)})` : 'More filters';
    const isElsewhere = this.#dataset !== filters.dataset;
    this.#dataset = filters.dataset;
    if (isElsewhere && this.#volume.closest('details').open) this.#offer();
  }

  // What can be chosen is asked for once somebody looks at it.
  async #offer() {
    this.#cases.replaceChildren(...this.#casesOf().slice(0, MOST_CASES).map((name) => option(name)));
    const dataset = this.#dataset;
    try {
      const volumes = await listVolumes({ dataset });
      if (dataset === this.#dataset) this.#showVolumes(volumes);
    } catch (error) {
      report(error, 'The volumes could not be listed');
    }
  }

  #showVolumes(volumes) {
    const chosen = this.#volume.value;
    const named = ({ id, name, case: ofCase }) => option(id, name || ofCase || id);
    this.#volume.replaceChildren(option('', 'all'), ...volumes.map(named),
      ...(chosen && !volumes.some(({ id }) => id === chosen) ? [option(chosen, chosen)] : []));
    this.#volume.value = chosen;
  }
}
