// Drawing the mask of one slice: brings together the drawing, its tools, the area it is drawn in, and what keeps it.
// Takes the place of the slice view while it is open.

import { getSlice, Unreachable } from '../api.js';
import { count, when } from '../format.js';
import { results } from '../results.js';
import { dismiss, report, toast } from '../toast.js';
import { Bar } from './bar.js';
import { askConflict, askDraft, askEmpty } from './dialogs.js';
import { downloadMask, Drawing } from './drawing.js';
import { drafts } from './drafts.js';
import { loadMask, restoreVersion } from './exchange.js';
import { Frame } from './frame.js';
import { Hand } from './hand.js';
import { HistoryPanel } from './history.js';
import { BACKGROUND, countsOf, NOT_ANNOTATED } from './raster.js';
import { Saver, stateText } from './saver.js';
import { keyCommand } from './shortcuts.js';
import { Source } from './source.js';
import { Surface } from './surface.js';
import { makeTools } from './tools.js';

const ZOOM = 1.25; // per key

const nameOf = (slice) => slice.name || slice.case || slice.id;

export class Annotator {
  isOpen = false;
  #slice = null;
  #source = null;
  #drawing = null;
  #saver = null;
  #threshold = 0.5;
  #loading = new AbortController();
  #on;
  #frame;
  #surface = new Surface();
  #bar;
  #tools;
  #hand;
  #history;

  // on: { saved(slice) when the server's mask of it is another one, closed() }
  constructor(on) {
    this.#on = on;
    this.#bar = new Bar({ tool: () => this.#hand?.rest(), show: () => this.#showPicture(), begin: (kind) => this.#begin(kind) });
    this.#tools = makeTools(this.#bar.settings, () => this.#source.intensities);
    this.#hand = new Hand({
      surface: this.#surface, settings: this.#bar.settings, tool: () => this.#tools[this.#bar.settings.tool],
      drawing: () => this.#drawing, say: (text) => this.#frame.speak(text),
      onSize: (steps) => this.#command(steps > 0 ? 'larger' : 'smaller'),
    });
    this.#history = new HistoryPanel({
      show: (path) => {
        this.#surface.other = path;
        this.#surface.paint();
      },
      restore: (entry) => this.#restore(entry),
    });
    this.#frame = new Frame((name) => this.#command(name),
      { bar: this.#bar.element, surface: this.#surface.element, history: this.#history.element });
    this.element = this.#frame.element;
    window.addEventListener('keydown', (event) => this.#key(event), true);
  }

  // Opens a slice, `threshold` being that of the prediction. What is drawn in another one stays as a draft.
  async open(slice, threshold) {
    await this.#leave();
    this.#loading = new AbortController();
    const { signal } = this.#loading;
    this.isOpen = true;
    this.#threshold = threshold;
    this.element.hidden = false;
    this.element.setAttribute('aria-busy', 'true');
    dismiss('drafts'); // it would lie over the drawing
    this.#frame.title.textContent = nameOf(slice);
    this.#frame.status.textContent = 'Loading\u2026';
    try {
      const [stored, pixels, draft] = await Promise.all([loadMask(slice.id, signal), results.pixels(slice, signal), drafts.get(slice.id)]);
      if (signal.aborted) return;
      this.#source = new Source(stored.slice, pixels, () => this.#bar.settings.channel);
      await this.#start(stored, draft, signal);
    } catch (error) {
      if (signal.aborted) return;
      report(error, 'The slice could not be opened for drawing');
      this.close();
    }
  }

  async #start({ slice, mask, base, began }, draft, signal) {
    const { width, height } = slice;
    this.#slice = slice;
    this.#bar.setSlice(slice, this.#source.obstacle);
    this.#surface.setPicture(this.#source.shown);
    let chosen = { mask: mask ?? new Uint8Array(width * height), base, began };
    let isDraft = false;
    if (draft) {
      const answer = await askDraft({ picture: this.#source.shown, draft, stored: mask, isChanged: draft.base !== base });
      if (signal.aborted) return;
      if (!answer) return void this.close();
      if (answer === 'discard') await drafts.remove(slice.id);
      isDraft = answer === 'draft';
      if (isDraft) chosen = { mask: Uint8Array.from(draft.mask), base: draft.base, began: draft.began ?? null };
    }
    this.#drawing = new Drawing(chosen.mask, width, height, chosen.began);
    const drawing = this.#drawing;
    drawing.addEventListener('touched', () => {
      this.#surface.setMask(drawing.mask);
      this.#hand.show();
    });
    this.#saver = new Saver({
      slice, drawing: this.#drawing, base: chosen.base, author: () => this.#frame.author,
      onSaved: (saved) => this.#saved(saved),
    });
    this.#drawing.addEventListener('changed', () => this.#show());
    const saver = this.#saver;
    saver.addEventListener('state', () => (saver === this.#saver ? this.#showState() : this.#tellLate(saver)));
    if (isDraft) this.#saver.state = 'draft';
    this.element.setAttribute('aria-busy', 'false');
    if (this.#history.isOpen) this.#history.load(slice);
    this.#show();
    this.#showState();
    this.#surface.element.focus({ preventScroll: true });
  }

  // What was drawn is kept; what waits for the server goes on waiting.
  async #leave() {
    this.#loading.abort();
    this.#hand.giveUp();
    this.#hand.forget();
    const saver = this.#saver;
    this.#saver = null;
    this.#drawing = null;
    if (!saver) return;
    await saver.keep();
    if (saver.state !== 'away' && saver.state !== 'saving') saver.dispose();
  }

  async close() {
    await this.#leave();
    this.isOpen = false;
    this.element.hidden = true;
    if (this.#history.isOpen) this.#history.toggle(null);
    this.#on.closed();
  }

  // ==== Showing ====

  #showPicture() {
    if (!this.#drawing) return;
    this.#surface.opacity = this.#bar.settings.opacity;
    this.#surface.setPicture(this.#source.shown);
    this.#hand.show();
  }

  #show() {
    if (!this.#drawing) return;
    const { mask } = this.#drawing;
    this.#surface.setMask(mask);
    const { target, background, unknown } = countsOf(mask);
    this.#frame.counts.textContent = `target ${count(target)} px \u00b7 background ${count(background)} px \u00b7 not annotated ${count(unknown)} px`;
    this.#frame.undo.disabled = !this.#drawing.canUndo;
    this.#frame.redo.disabled = !this.#drawing.canRedo;
    this.#hand.show();
  }

  #showState() {
    const saver = this.#saver;
    if (!saver) return;
    const { state } = saver;
    this.#frame.status.className = `annotate-status ${state}`;
    this.#frame.status.textContent = stateText(saver);
    this.#frame.save.disabled = state === 'saving';
    if (state === 'conflict') this.#decide(saver);
  }

  // Of a drawing that was closed while the server was away.
  #tellLate({ slice, state }) {
    if (state !== 'failed' && state !== 'conflict') return;
    toast({
      title: `${nameOf(slice)}: not saved`, kind: 'bad', key: 'annotation',
      lines: [state === 'conflict' ? 'Somebody else saved meanwhile. Open the drawing to decide.' : 'Open the drawing to see why; it is kept.'],
    });
  }

  async #saved(slice) {
    results.forgetAnnotation(slice.id);
    if (this.#slice !== slice || !this.#saver) toast({ title: `${nameOf(slice)}: saved`, key: 'annotation' });
    else if (this.#history.isOpen) this.#history.load(slice);
    const fresh = await getSlice(slice.id).catch(() => null); // another call will tell that the server is away
    if (fresh) this.#on.saved(fresh);
  }

  // ==== Deciding ====

  async #decide(saver) {
    const { current } = saver.problem;
    try {
      const { mask, base, began } = await loadMask(saver.slice.id);
      const answer = await askConflict({ picture: this.#source.shown, mine: saver.drawing.mask, theirs: mask, current });
      await saver.resolve(answer, { mask, base, began });
    } catch (error) {
      report(error, 'The other mask could not be read');
      await saver.resolve('', {});
    }
  }

  async #saveNow() {
    const saver = this.#saver;
    const { target, unknown } = countsOf(this.#drawing.mask);
    const isUnknown = unknown === this.#drawing.mask.length;
    if (!target && !await askEmpty({ label: this.#slice.label, isUnknown })) return;
    await saver.save();
  }

  async #restore(entry) {
    const saver = this.#saver;
    try {
      await restoreVersion(this.#slice.id, entry.id, { base: saver.base, author: this.#frame.author });
    } catch (error) {
      if (error.status === 412) toast({ title: 'Not restored', lines: ['Somebody else saved meanwhile; the list shows it now.'], kind: 'bad' });
      else if (error instanceof Unreachable) toast({ title: 'Not restored', lines: ['The server does not answer.'], kind: 'bad' });
      else report(error, 'The mask could not be restored');
      this.#history.load(this.#slice);
      return;
    }
    const { mask, base, began } = await loadMask(this.#slice.id);
    await saver.resolve('theirs', { mask, base, began });
    toast({ title: `Restored: the mask of ${entry.author}, ${when(entry.created_at)}`, key: 'annotation' });
  }

  async #begin(kind) {
    const drawing = this.#drawing;
    if (!drawing) return;
    this.#hand.giveUp();
    if (kind === 'prediction') {
      try {
        const { mask, model } = await this.#source.prediction(this.#threshold, this.#loading.signal);
        if (drawing === this.#drawing) drawing.replace(mask, model);
      } catch (error) {
        report(error, 'There is no prediction');
      }
      return;
    }
    drawing.replace(new Uint8Array(drawing.mask.length).fill(kind === 'scribbles' ? NOT_ANNOTATED : BACKGROUND));
  }

  // ==== Commands ====

  #key(event) {
    if (!this.isOpen || this.element.offsetParent === null || document.querySelector('dialog[open]')) return;
    const command = keyCommand(event);
    if (command === undefined) return;
    event.stopPropagation();
    if (command === null) return;
    event.preventDefault();
    this.#command(command);
  }

  #command(name) {
    if (name === 'close') {
      if (!this.#drawing || !this.#hand.giveUp()) this.close();
      return;
    }
    if (!this.#drawing) return;
    const [kind, ...rest] = name.split(' ');
    const tool = this.#tools[this.#bar.settings.tool];
    if (kind === 'tool') this.#bar.setTool(rest[0]);
    else if (kind === 'value') this.#bar.setValue(Number(rest[0]));
    else if (kind === 'step') this.#hand.step(...rest.map(Number));
    else if (name === 'press') this.#hand.press();
    else if (name === 'confirm' && tool.points?.length > 2) tool.confirm(this.#drawing);
    else if (name === 'confirm') this.#hand.press();
    else if (name === 'back') tool.back?.(this.#drawing);
    else if (name === 'undo') this.#undoLast(tool);
    else if (name === 'redo') this.#hand.giveUp() || this.#drawing.redo();
    else if (name === 'larger' || name === 'smaller') this.#bar.grow(name === 'larger' ? 1 : -1);
    else if (name === 'closer' || name === 'farther') this.#zoom(name === 'closer' ? ZOOM : 1 / ZOOM);
    else if (name === 'fit') this.#surface.fit();
    else if (name === 'hide') this.#hide();
    else if (name === 'history') this.#history.toggle(this.#slice);
    else if (name === 'download') downloadMask(this.#drawing, `mask-${this.#slice.id}.png`);
    else if (name === 'save') this.#saveNow();
    if (name !== 'history') this.#hand.show();
  }

  // A stroke or a polygon that is not finished goes first.
  #undoLast(tool) {
    if (tool.points?.length) tool.back(this.#drawing);
    else if (!this.#hand.giveUp()) this.#drawing.undo();
  }

  #zoom(factor) {
    this.#surface.viewport.zoom(factor);
    this.#surface.paint();
  }

  #hide() {
    this.#surface.isMaskShown = !this.#surface.isMaskShown;
    this.#surface.paint();
    this.#frame.speak(this.#surface.isMaskShown ? 'mask shown' : 'mask hidden');
  }
}
