// Puts the page together: tabs, the address that remembers where one is, the keyboard, and what happens
// when the server goes and comes back.

import * as api from './api.js';
import { followSession, may } from './access.js';
import { Annotator } from './annotate/annotator.js';
import { offerDrafts } from './annotate/offer.js';
import { app } from './app.js';
import { BrowserView, emptyState } from './browser_view.js';
import { el } from './dom.js';
import { modelName, number } from './format.js';
import { NO_FILTERS } from './filters.js';
import { helpDialog, listen } from './keys.js';
import { relabel } from './labelling.js';
import { ModelsView } from './models.js';
import { session } from './session.js';
import { accountButton, signedIn } from './sign_in.js';
import { SliceView } from './slice_view.js';
import { report, toast } from './toast.js';
import { SuggestionQueue } from './suggestion_queue.js';
import { SuggestionsView } from './suggestions.js';
import { Tabs } from './tabs.js';
import { TrainingView } from './training.js';
import { VolumesView } from './volumes.js';

const TABS = [['slices', 'Slices'], ['models', 'Models'], ['training', 'Training'], ['volumes', 'Volumes'], ['next', 'What next']];
const LOOK_AGAIN_MS = 4000; // for a first data set or slice

const place = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
let tab = TABS.some(([name]) => name === place.view) ? place.view : 'slices';

const slices = new SliceView({ onLabel: label, onAnnotate: annotate });
const annotator = new Annotator({ saved: showAnnotated, closed: leaveAnnotator });
const browser = new BrowserView({
  onSelect: (slice) => {
    slices.show(slice);
    remember({ slice: slice.id });
    if (annotator.isOpen) annotate();
  },
  onFilters: ({ volume, ...filters }) => remember({ ...filters, scan: volume }), // `volume` is the one that "Volumes" shows
  onLabel: labelAll,
  onWide: (isWide) => views.slices.classList.toggle('wide', isWide),
});
const models = new ModelsView();
const training = new TrainingView({ onNext: leadOn });
const volumes = new VolumesView({ onOpen: openSlice });
const queue = new SuggestionQueue({ onOpen: openSlice });
const suggestions = new SuggestionsView({ onBegin: (items, at) => queue.begin(items, at) });
const help = helpDialog();
const empty = el('div', { class: 'empty-place', hidden: true });
const banner = el('div', { class: 'banner', role: 'alert', hidden: true },
  el('span', { class: 'spinner' }), 'The server does not answer. Trying again\u2026');
const chip = el('button', { type: 'button', class: 'chip', onclick: () => open('models') });
const tabs = new Tabs(TABS, open);
const views = {
  slices: el('div', { class: 'slices' }, browser.element, slices.element, annotator.element, empty),
  models: el('div', {}, models.element),
  training: el('div', {}, training.element),
  volumes: el('div', {}, volumes.element),
  next: el('div', {}, suggestions.element),
};

const heading = el('h1', { class: 'unseen' });

function remember(change) {
  Object.assign(place, change);
  const filled = Object.entries(place).filter(([, value]) => value);
  history.replaceState(null, '', `#${new URLSearchParams(filled)}`);
}

function open(name) {
  if (tab === 'training' && name !== 'training') training.close();
  if (tab === 'volumes' && name !== 'volumes') volumes.close();
  tab = name;
  tabs.choose(name);
  for (const [key, view] of Object.entries(views)) view.hidden = key !== name;
  const [, text] = TABS.find(([each]) => each === name);
  document.title = `${text} \u2013 GenSeg`;
  heading.textContent = document.title;
  remember({ view: name });
  if (name === 'models') models.open();
  if (name === 'training') training.open(place.dataset);
  if (name === 'volumes') volumes.open(place.dataset, place.volume);
  if (name === 'next') suggestions.open(place.dataset);
}

// Shows a slice in "Slices", from wherever it was found.
async function openSlice(slice) {
  open('slices');
  await app.refreshDatasets().catch((error) => report(error, 'The data could not be listed'));
  showSlices();
  await browser.open({ ...NO_FILTERS, dataset: slice.dataset }, slice.id);
}

// Draws the mask of the slice that is shown.
function annotate() {
  if (!slices.slice) return;
  views.slices.classList.add('annotating');
  annotator.open(slices.slice, slices.threshold);
}

function leaveAnnotator() {
  views.slices.classList.remove('annotating');
  if (slices.slice) slices.show(slices.slice);
  slices.focusAnnotate();
}

// A slice whose mask changed.
function showAnnotated(slice) {
  browser.list.update(slice);
  if (slice.id === slices.slice?.id) slices.show(slice);
  app.refreshDatasets().catch((error) => report(error, 'The data could not be listed'));
}

// Where what a training lacks is added.
function leadOn(to, dataset) {
  remember({ dataset });
  if (to === 'upload') return open('volumes');
  if (to === 'annotate') return open('next');
  open('slices');
  return void browser.open({ ...NO_FILTERS, dataset, label: 'unknown' });
}

function showSlices() {
  empty.hidden = true;
  browser.element.hidden = false;
  slices.element.hidden = false;
}

// Of one slice, or of all marked ones if it is among them.
function label(slice, name) {
  const { marked } = browser.list;
  labelAll(marked.some(({ id }) => id === slice.id) ? marked : [slice], name);
}

function labelAll(chosen, name) {
  return relabel(chosen.map((slice) => ({ slice, label: name })), (changed) => {
    browser.list.update(changed);
    slices.relabel(changed);
  });
}

// Which data set to begin with: the remembered one, else the fullest.
function firstDataset() {
  const fullness = ({ counts }) => counts.slices;
  return app.dataset(place.dataset) ?? [...app.datasets].sort((a, b) => fullness(b) - fullness(a))[0];
}

async function start() {
  try {
    await Promise.all([app.refreshDatasets(), app.refreshModels()]);
  } catch (error) {
    report(error, 'The data could not be listed');
    return;
  }
  const dataset = firstDataset();
  const isEmpty = !dataset || dataset.counts.slices === 0;
  empty.hidden = !isEmpty;
  browser.element.hidden = isEmpty;
  slices.element.hidden = isEmpty;
  if (isEmpty) {
    empty.replaceChildren(emptyState(dataset?.name ?? ''));
    setTimeout(start, LOOK_AGAIN_MS);
    return;
  }
  browser.showDatasets();
  const { label = '', annotated = '', split = '', case: ofCase = '', scan = '', sort = 'created', slice } = place;
  await browser.open({ dataset: dataset.name, label, annotated, split, case: ofCase, volume: scan, sort }, slice);
}

function showActive() {
  const model = app.active;
  const dice = model?.metrics?.dice;
  chip.classList.toggle('none', !model);
  chip.replaceChildren(el('i'), model ? modelName(model) : 'No active model',
    ...(Number.isFinite(dice) ? [el('b', {}, `Dice ${number(dice, 2)}`)] : []));
}

function run(command, key) {
  if (command === 'help') return help.showModal();
  if (command.startsWith('tab-')) return open(command.slice(4));
  if (command.startsWith('queue-')) return queue.command(command.slice(6));
  if (tab === 'volumes') return volumes.command(command, key);
  if (tab !== 'slices' || slices.element.hidden || annotator.isOpen) return undefined;
  if (command === 'annotate') return annotate();
  if (command === 'wide') return browser.widen();
  if (command === 'search') return browser.focusSearch();
  const steps = { next: 1, previous: -1, down: 'down', up: 'up' };
  return command in steps ? browser.list.move(steps[command]) : slices.command(command, key);
}

for (const [name, view] of Object.entries(views)) {
  view.id = `view-${name}`;
  view.hidden = true; // until someone is signed in
  view.classList.add('tab-view');
  view.setAttribute('role', 'tabpanel');
  view.setAttribute('aria-labelledby', `tab-${name}`);
}
document.body.prepend(
  el('header', { class: 'top' },
    el('a', { class: 'brand', href: '/' }, el('img', { src: 'icon.svg', alt: '', width: 22, height: 22 }), 'GenSeg'),
    tabs.element, chip,
    el('button', { type: 'button', class: 'quiet', 'aria-label': 'Keyboard help', title: 'Keyboard (?)', onclick: () => help.showModal() }, '?'), accountButton()),
  banner, queue.element, el('main', {}, heading, ...Object.values(views)));
document.body.append(help);
app.addEventListener('models', showActive);
app.addEventListener('datasets', () => browser.showDatasets());
api.connection.addEventListener('lost', () => { banner.hidden = false; });
api.connection.addEventListener('back', () => {
  banner.hidden = true;
  if (!app.datasets.length) return void start();
  open(tab);
  if (slices.slice) slices.show(slices.slice);
});
listen(run);
showActive();
await signedIn();
followSession();
open(tab);
start();
// Somebody else may have signed in: everything is asked for anew.
session.addEventListener('begun', () => api.connection.dispatchEvent(new Event('back')));
if (may('annotate')) offerDrafts(async (slice) => {
  await openSlice(slice);
  if (slices.slice?.id === slice.id) annotate();
});
