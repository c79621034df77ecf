// The form that uploads scans: NIfTI files as the channels of one scan, or a scan each; what each file is,
// how far it has got, and what was wrong with it.

import { app } from './app.js';
import { choice, el } from './dom.js';
import { percent } from './format.js';
import { report, toast } from './toast.js';
import { commonName, faultsOf, guessRole, rowOf, stem } from './volume_plan.js';
import { createVolume, putDataset } from './volumes_api.js';

const NEW = '';
const PRESETS = [
  ['brain', 'Brain', 'Heads without skull: halves of axial slices, normalised by the brain'],
  ['liver', 'Liver', 'Squares around the liver; needs its outline (label 1, or an organ file)'],
  ['plain', 'Plain', 'Axial slices as they are'],
];
const PRESET_TEXT = {
  brain: 'Skull-stripped heads, 0 around them. Each level becomes two halves.',
  liver: 'A label file with 1 for liver and 2 for lesions, or an organ file, has to say where the liver is.',
  plain: 'Axial slices as they are.',
};
const TOGETHER = [['one', 'Channels of one scan'], ['each', 'A scan each']];
const ROLES = [['image', 'Channel'], ['label', 'Label'], ['organ', 'Organ']];
// Of data sets made here, as by the importers. A data set with `none` would take the same scans, and a model trained
// elsewhere on the same task would be asked about values it was not trained on.
const NORMALIZATION = /** @type {const} */ ('unit');

const megabytes = (size) => `${(size / 1e6).toFixed(size < 1e7 ? 1 : 0)} MB`;
const field = (label, control, hint) => el('div', { class: 'field' },
  el('label', { for: control.id }, label), control, hint);

export class VolumeUpload {
  /** @type {'brain' | 'liver' | 'plain'} */
  #preset = 'brain';
  #together = 'one';
  #rows = []; // { file, name, role, status, kind, fraction }
  #sending = null;
  #dataset = el('select', { id: 'volume-dataset', onchange: () => this.#show() });
  #newName = el('input', { id: 'volume-new-dataset', placeholder: 'name of a new data set', 'aria-label': 'Name of the new data set', pattern: '[A-Za-z0-9_][A-Za-z0-9._\\-]{0,63}', maxlength: 64 });
  #scale = el('select', { id: 'volume-scale' }, [[1, 'full size'], [2, 'half'], [4, 'a quarter']].map(([value, text]) => el('option', { value }, text)));
  #scaleField = field('Size of the slices', this.#scale);
  #case = el('input', { id: 'volume-case', maxlength: 128, placeholder: 'by itself' });
  #caseField = field('Case', this.#case);
  #annotate = el('input', { id: 'volume-annotate', type: 'checkbox' });
  #annotateField = el('label', { class: 'check' }, this.#annotate, ' Also store the label file\u2019s masks as annotations');
  #files = el('input', {
    id: 'volume-files', type: 'file', multiple: true, accept: '.nii,.gz', class: 'visually-hidden',
    onchange: () => {
      this.#add(this.#files.files);
      this.#files.value = '';
    },
  });
  #drop = el('label', { class: 'drop', for: 'volume-files' }, 'Drop NIfTI files here, or choose them');
  #list = el('ol', { class: 'upload-files', 'aria-label': 'Files' });
  #presetText = el('small', {});
  #fault = el('p', { class: 'failure', role: 'alert', hidden: true });
  #start = el('button', { type: 'submit', class: 'primary' }, 'Upload');
  #stop = el('button', { type: 'button', hidden: true, onclick: () => this.#sending?.abort() }, 'Stop');
  #presetChoice = choice('Preset', PRESETS, (preset) => {
    this.#preset = preset;
    this.#show();
  });
  #togetherChoice = choice('The files are', TOGETHER, (together) => {
    this.#together = together;
    this.#show();
  });
  #onStored;

  // onStored(volume) for each that is there now.
  constructor({ onStored }) {
    this.#onStored = onStored;
    this.#presetChoice.choose(this.#preset);
    this.#togetherChoice.choose(this.#together);
    this.element = el('form', {
      class: 'volume-upload', 'aria-label': 'Upload volumes', 'data-needs': 'annotate',
      onsubmit: (event) => {
        event.preventDefault();
        this.#upload();
      },
    },
    el('h2', {}, 'Upload volumes'),
    this.#files, this.#drop, this.#list,
    el('div', { class: 'field' }, el('span', { class: 'field-name' }, 'The files are'), this.#togetherChoice),
    el('div', { class: 'field' }, el('span', { class: 'field-name' }, 'Preset'), this.#presetChoice, this.#presetText),
    field('Data set', this.#dataset, this.#newName), this.#scaleField, this.#caseField, this.#annotateField,
    this.#fault, el('div', { class: 'buttons' }, this.#start, this.#stop));
    for (const name of ['dragover', 'drop']) {
      this.element.addEventListener(name, (event) => {
        event.preventDefault();
        if (name === 'drop') this.#add(event.dataTransfer.files);
      });
    }
    this.showDatasets();
  }

  showDatasets(preferred = this.#dataset.value) {
    this.#dataset.replaceChildren(...app.datasets.map(({ name }) => el('option', { value: name }, name)),
      el('option', { value: NEW }, 'A new one\u2026'));
    this.#dataset.value = app.dataset(preferred) ? preferred : app.datasets[0]?.name ?? NEW;
    this.#show();
  }

  get #isOneScan() {
    return this.#together === 'one';
  }

  #add(files) {
    if (this.#sending) return;
    this.#rows = this.#rows.filter(({ kind }) => kind !== 'good'); // what went up before
    for (const file of files) {
      this.#rows.push({ file, name: file.name, role: guessRole(file.name, this.#preset), status: '', kind: '', fraction: 0 });
    }
    const rank = ({ role }) => ROLES.findIndex(([value]) => value === role);
    this.#rows.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name, 'en', { numeric: true }));
    if (this.#isOneScan) this.#case.value ||= commonName(this.#rows.map(({ name }) => name)).slice(0, 128);
    this.#show();
  }

  #show() {
    const dataset = app.dataset(this.#dataset.value);
    this.#newName.hidden = Boolean(dataset);
    this.#newName.required = !dataset;
    this.#presetText.textContent = PRESET_TEXT[this.#preset];
    this.#scaleField.hidden = Boolean(dataset?.height) || this.#preset === 'plain';
    this.#caseField.hidden = !this.#isOneScan;
    this.#annotateField.hidden = !this.#isOneScan || !this.#rows.some(({ role }) => role === 'label');
    const faults = faultsOf(this.#rows, { isOneScan: this.#isOneScan });
    this.#start.disabled = Boolean(this.#sending) || faults.size > 0 || this.#rows.every(({ kind }) => kind === 'good');
    this.#stop.hidden = !this.#sending;
    this.#fault.hidden = !this.#rows.length || !faults.has('all');
    this.#fault.textContent = faults.get('all') ?? '';
    this.#list.hidden = !this.#rows.length;
    this.#list.replaceChildren(...this.#rows.map((row, i) => this.#rowElement(row, faults.get(i))));
  }

  #rowElement(row, fault) {
    const role = el('select', {
      'aria-label': `What ${row.name} is`, disabled: Boolean(this.#sending),
      onchange: () => {
        row.role = role.value;
        this.#show();
      },
    }, ROLES.map(([value, text]) => el('option', { value }, text)));
    role.value = row.role;
    const bar = el('div', { class: 'progress', role: 'progressbar', 'aria-label': `Progress of ${row.name}`, 'aria-valuemin': 0, 'aria-valuemax': 100, 'aria-valuenow': Math.round(100 * row.fraction) }, el('i'));
    bar.firstChild.style.width = `${100 * row.fraction}%`;
    bar.dataset.state = row.kind === 'good' ? 'succeeded' : row.kind === 'bad' ? 'failed' : 'running';
    return el('li', { 'data-file': row.name },
      el('span', { class: 'file-name', title: row.name }, row.name), el('small', {}, megabytes(row.file.size)),
      this.#isOneScan && role,
      !this.#sending && el('button', {
        type: 'button', class: 'quiet', 'aria-label': `Remove ${row.name}`,
        onclick: () => {
          this.#rows = this.#rows.filter((other) => other !== row);
          this.#show();
        },
      }, '\u00d7'),
      row.fraction > 0 && bar,
      (fault || row.status) && el('p', { class: fault ? 'bad' : row.kind }, fault ?? row.status));
  }

  // What is sent together; `rows` are those of #rows.
  #batches() {
    return this.#isOneScan
      ? [{ rows: this.#rows, name: this.#case.value, files: this.#rows.map(({ role, file }) => ({ role, file })) }]
      : this.#rows.filter(({ kind }) => kind !== 'good').map((row) => ({ rows: [row], name: stem(row.name), files: [{ role: 'image', file: row.file }] }));
  }

  async #upload() {
    const name = this.#dataset.value || this.#newName.value;
    this.#sending = new AbortController();
    for (const row of this.#rows) if (row.kind === 'bad') Object.assign(row, { status: '', kind: '', fraction: 0 });
    this.#show();
    try {
      if (!app.dataset(name)) {
        await putDataset(name, { normalization: NORMALIZATION });
        await app.refreshDatasets();
        this.showDatasets(name);
      }
      for (const batch of this.#batches()) {
        if (this.#sending.signal.aborted) break;
        await this.#send(name, batch);
      }
      await app.refreshDatasets();
    } catch (error) {
      report(error, 'The upload could not begin');
    }
    this.#sending = null;
    this.showDatasets(name);
  }

  async #send(dataset, { rows, name, files }) {
    const { signal } = this.#sending;
    const tell = (change, row) => {
      for (const each of row ? [row] : rows) Object.assign(each, change);
      this.#show();
    };
    const settings = {
      dataset, preset: this.#preset, case: name.slice(0, 128),
      ...(!this.#scaleField.hidden && { scale: this.#scale.value }),
      ...(!this.#annotateField.hidden && this.#annotate.checked && { annotate: true }),
    };
    try {
      const { answer, isNew } = await createVolume(settings, files, {
        signal,
        onProgress: (fraction) => tell({ fraction, status: fraction < 1 ? percent(fraction) : 'sent; being cut into slices\u2026' }),
      });
      tell({ fraction: 1, kind: 'good', status: isNew ? `${answer.slices} slices` : `was there already: ${answer.slices} slices` });
      this.#onStored(answer);
    } catch (error) {
      if (signal.aborted) return tell({ fraction: 0, status: 'stopped', kind: 'bad' });
      tell({ fraction: 0, status: '' });
      const at = rowOf(error, rows);
      tell({ fraction: 1, kind: 'bad', status: error.message }, rows[at] ?? rows[0]);
      if (rows.length > 1 && at < 0) toast({ title: 'The scan could not be stored', lines: [error.message], kind: 'bad', key: 'volume' });
    }
  }
}
