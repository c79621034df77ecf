// Volumes: uploading scans, the list of those that are there, and the chosen one.

import { without } from './access.js';
import { app } from './app.js';
import { el } from './dom.js';
import { count } from './format.js';
import { report, toast } from './toast.js';
import { VolumeJobs } from './volume_jobs.js';
import { VolumeStack } from './volume_stack.js';
import { VolumeUpload } from './volume_upload.js';
import { annotationsUrl, deleteVolume, listVolumes } from './volumes_api.js';

const title = (volume) => volume.name || volume.case || volume.id;
const round = (value) => Number(value.toPrecision(3));

export class VolumesView {
  /** @type {import('./types').Volume[]} */
  #volumes = [];
  #chosen = '';
  #upload = new VolumeUpload({ onStored: (volume) => this.#stored(volume) });
  #list = el('ol', { class: 'volume-list', 'aria-label': 'Volumes' });
  #nothing = el('p', { class: 'muted', hidden: true }, 'None yet. A scan is cut into slices, which then are among all others.');
  #title = el('h1');
  #facts = el('p', { class: 'muted' });
  #stack;
  #jobs = new VolumeJobs();
  #drawn = el('a', { class: 'button', download: true, title: 'What was drawn on the slices, as one label file: 0 ground, 1 target, 255 not annotated' }, 'Drawn masks');
  #delete = el('button', { type: 'button', 'data-needs': 'admin', onclick: () => this.#askDelete() }, 'Delete');
  #main;
  #empty = el('section', { class: 'empty' }, el('h2', {}, 'No volume is open'),
    el('p', {}, 'Upload NIfTI files on the left: one scan with its channels and, if you have it, a label file; or many scans at once.'));
  #sure = el('dialog', { class: 'sure', 'aria-label': 'Delete the volume' });

  // onOpen(slice): look at one slice closely.
  constructor({ onOpen }) {
    this.#stack = new VolumeStack({ onOpen });
    this.#main = el('div', { class: 'volume-main', hidden: true },
      el('header', { class: 'volume-header' }, el('div', {}, this.#title, this.#facts),
        el('div', { class: 'buttons' }, this.#drawn, this.#delete)),
      this.#stack.element, this.#jobs.element);
    this.element = el('section', { class: 'volumes-view page' },
      el('div', { class: 'training-side' }, without('Uploading', 'annotate'), this.#upload.element,
        el('section', { class: 'volume-listing', 'aria-label': 'Volumes' }, el('h2', {}, 'Volumes'), this.#nothing, this.#list)),
      el('div', { class: 'volume-place' }, this.#empty, this.#main), this.#sure);
    app.addEventListener('datasets', () => this.#upload.showDatasets());
  }

  // `dataset` is the one to upload to at first, `id` a volume to show.
  async open(dataset, id) {
    try {
      await Promise.all([app.refreshDatasets(), app.refreshModels()]);
      this.#volumes = await listVolumes();
    } catch (error) {
      report(error, 'The volumes could not be listed');
      return;
    }
    this.#upload.showDatasets(dataset);
    this.#showList();
    const wanted = this.#volumes.find((volume) => volume.id === (id || this.#chosen)) ?? this.#volumes.at(-1);
    if (wanted) this.#look(wanted);
    else this.#close();
  }

  close() {
    this.#jobs.close();
  }

  // What a key does here; see keys.js.
  command(name, key) {
    if (!this.#main.hidden) this.#stack.command(name, key);
  }

  #stored(volume) {
    this.#volumes = [...this.#volumes.filter(({ id }) => id !== volume.id), volume];
    this.#look(volume);
  }

  #close() {
    this.#chosen = '';
    this.#main.hidden = true;
    this.#empty.hidden = false;
    this.#showList();
  }

  #look(volume) {
    const isSame = this.#chosen === volume.id;
    this.#chosen = volume.id;
    this.#main.hidden = false;
    this.#empty.hidden = true;
    this.#main.dataset.id = volume.id;
    const { size, spacing_mm: spacing } = volume.geometry;
    this.#title.textContent = title(volume);
    this.#facts.textContent = [volume.id, `data set ${volume.dataset}`, volume.preset, `${size.join(' \u00d7 ')} voxels of ${spacing.map(round).join(' \u00d7 ')} mm`,
      volume.channels === 1 ? '1 channel' : `${volume.channels} channels`, volume.has_label && 'with labels', `${count(volume.slices)} slices stored`].filter(Boolean).join(' \u00b7 ');
    this.#drawn.href = annotationsUrl(volume.id);
    this.#showList();
    this.#jobs.show(volume);
    if (!isSame) this.#stack.show(volume);
  }

  #showList() {
    this.#nothing.hidden = this.#volumes.length > 0;
    this.#list.replaceChildren(...[...this.#volumes].reverse().map((volume) => el('li', {}, el('button', {
      type: 'button', class: 'volume-row', 'data-id': volume.id, 'aria-pressed': String(volume.id === this.#chosen), onclick: () => this.#look(volume),
    }, el('strong', {}, title(volume)), el('span', { class: 'muted' }, `${volume.dataset}, ${volume.preset}, ${count(volume.slices)} slices`)))));
  }

  #askDelete() {
    const volume = this.#volumes.find(({ id }) => id === this.#chosen);
    this.#sure.replaceChildren(el('h2', {}, 'Delete this volume?'),
      el('p', {}, `${title(volume)}: its ${count(volume.slices)} slices, their labels and annotations, and all results go with it.`),
      el('div', { class: 'buttons' },
        el('button', { type: 'button', onclick: () => this.#sure.close() }, 'Keep it'),
        el('button', { type: 'button', class: 'danger', onclick: () => { this.#sure.close(); this.#deleteNow(volume); } }, 'Delete')));
    this.#sure.showModal();
  }

  async #deleteNow(volume) {
    try {
      await deleteVolume(volume.id);
      toast({ title: `${title(volume)} was deleted`, key: 'volume' });
      this.#chosen = '';
      await this.open();
    } catch (error) {
      report(error, 'The volume could not be deleted');
    }
  }
}
