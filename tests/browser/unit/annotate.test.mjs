// The pure modules of drawing masks, run by Node's own test runner (see test_modules.py).

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Changes, differences } from '../web/annotate/changes.js';
import { Drawing } from '../web/annotate/drawing.js';
import { withText } from '../web/annotate/png_text.js';
import { countsOf, drawSegment, fillPolygon, NOT_ANNOTATED, region, TARGET } from '../web/annotate/raster.js';
import { decodeMask, encodeMask } from '../web/annotate/runs.js';
import { Viewport } from '../web/annotate/viewport.js';

const empty = (width, height) => ({ mask: new Uint8Array(width * height), width, height });
const rows = ({ mask, width, height }) => Array.from({ length: height }, (_, y) =>
  [...mask.subarray(y * width, (y + 1) * width)].map((v) => (v === TARGET ? '#' : v === NOT_ANNOTATED ? '?' : '.')).join(''));
const picture = (...lines) => ({
  mask: Uint8Array.from(lines.join(''), (c) => ({ '#': TARGET, '?': NOT_ANNOTATED, '.': 0 })[c]),
  width: lines[0].length, height: lines.length,
});

test('segment: a dot, a line, and a radius that grows', () => {
  const dot = empty(5, 5);
  drawSegment(dot, { x: 2.5, y: 2.5, radius: 1 }, { x: 2.5, y: 2.5, radius: 1 }, TARGET);
  assert.deepEqual(rows(dot), ['.....', '..#..', '.###.', '..#..', '.....']);
  const line = empty(6, 3);
  drawSegment(line, { x: 1.5, y: 1.5, radius: 0.4 }, { x: 4.5, y: 1.5, radius: 0.4 }, TARGET);
  assert.deepEqual(rows(line), ['......', '.####.', '......']);
  const wedge = empty(9, 5);
  drawSegment(wedge, { x: 0.5, y: 2.5, radius: 0 }, { x: 6.5, y: 2.5, radius: 2 }, TARGET);
  const column = (x) => rows(wedge).filter((row) => row[x] === '#').length;
  assert.ok(column(0) === 1 && column(4) === 3 && column(6) === 5);
});

test('segment: every pixel within the radius and none else, whatever the direction', () => {
  for (const [x1, y1, x2, y2, radius] of [[3.2, 4.1, 14.7, 9.9, 2.3], [14, 3, 5, 12, 1.6], [8, 2, 8, 15, 3]]) {
    const at = empty(18, 18);
    drawSegment(at, { x: x1, y: y1, radius }, { x: x2, y: y2, radius }, TARGET);
    for (let i = 0; i < at.mask.length; i++) {
      const px = (i % 18) + 0.5;
      const py = Math.floor(i / 18) + 0.5;
      let nearest = Infinity; // by trying many places of the segment
      for (let t = 0; t <= 1; t += 1 / 2048) nearest = Math.min(nearest, Math.hypot(px - x1 - t * (x2 - x1), py - y1 - t * (y2 - y1)));
      if (Math.abs(nearest - radius) < 0.01) continue;
      assert.equal(at.mask[i] === TARGET, nearest < radius, `pixel ${i}`);
    }
  }
});

test('segment: beyond the edges nothing happens, thinner than a pixel one is set', () => {
  const at = empty(3, 3);
  drawSegment(at, { x: -9, y: -9, radius: 2 }, { x: -5, y: -20, radius: 2 }, TARGET);
  assert.equal(countsOf(at.mask).target, 0);
  drawSegment(at, { x: 2.1, y: 0.1, radius: 0.1 }, { x: 2.1, y: 0.1, radius: 0.1 }, TARGET);
  assert.deepEqual(rows(at), ['..#', '...', '...']);
  drawSegment(at, { x: 50, y: 1.5, radius: 60 }, { x: 50, y: 1.5, radius: 60 }, TARGET);
  assert.equal(countsOf(at.mask).target, 9);
});

test('polygon: rectangle, concave, crossing itself, beyond the edges', () => {
  const at = (...points) => points.map(([x, y]) => ({ x, y }));
  const box = empty(6, 5);
  fillPolygon(box, at([1, 1], [5, 1], [5, 4], [1, 4]), TARGET);
  assert.deepEqual(rows(box), ['......', '.####.', '.####.', '.####.', '......']);
  const bay = empty(5, 4);
  fillPolygon(bay, at([0, 0], [5, 0], [5, 4], [3, 4], [3, 2], [2, 2], [2, 4], [0, 4]), TARGET);
  assert.deepEqual(rows(bay), ['#####', '#####', '##.##', '##.##']);
  const twice = empty(4, 4);
  fillPolygon(twice, at([0, 0], [4, 0], [4, 4], [0, 4], [0, 0], [4, 0], [4, 4], [0, 4]), TARGET);
  assert.equal(countsOf(twice.mask).target, 0);
  const wide = empty(4, 3);
  fillPolygon(wide, at([-10, 1], [20, 1], [20, 2], [-10, 2]), TARGET);
  assert.deepEqual(rows(wide), ['....', '####', '....']);
  const line = empty(4, 4);
  fillPolygon(line, at([0, 0], [4, 4]), TARGET);
  assert.equal(countsOf(line.mask).target, 0);
});

test('polygon: two that share an edge leave no gap and do not overlap', () => {
  const corners = [[0, 0], [11, 0], [11, 9], [0, 9]].map(([x, y]) => ({ x, y }));
  const middle = { x: 4.37, y: 5.21 };
  let sum = 0;
  for (let i = 0; i < 4; i++) {
    const part = empty(11, 9);
    fillPolygon(part, [corners[i], corners[(i + 1) % 4], middle], TARGET);
    sum += countsOf(part.mask).target;
  }
  assert.equal(sum, 99);
});

test('region: over sides, not corners, nor around the edge of the picture', () => {
  const at = picture('#..#', '.#.#', '#..#');
  const same = (i) => at.mask[i] === TARGET;
  assert.deepEqual(region(at, 3, 0, same).sort((a, b) => a - b), [3, 7, 11]);
  assert.deepEqual(region(at, 0, 0, same), [0]);
  assert.deepEqual(region(at, 1, 0, same), []);
  assert.deepEqual(region(at, 9, 9, same), []);
  assert.equal(region(empty(300, 300), 7, 7, () => true).length, 90000);
});

test('changes: undo and redo give the bytes back, a new edit forgets what was undone', () => {
  const changes = new Changes(1e6);
  const mask = new Uint8Array(50);
  const states = [mask.slice()];
  const edit = (from, to, value) => {
    const before = mask.slice();
    mask.fill(value, from, to);
    assert.equal(changes.add(before, mask), true);
    states.push(mask.slice());
  };
  edit(3, 9, TARGET);
  edit(5, 30, NOT_ANNOTATED);
  edit(7, 8, TARGET);
  assert.equal(changes.add(mask.slice(), mask), false);
  for (const state of [states[2], states[1], states[0]]) {
    assert.deepEqual(changes.undo(mask), { began: null });
    assert.deepEqual(mask, state);
  }
  assert.equal(changes.undo(mask), null);
  changes.redo(mask);
  changes.redo(mask);
  assert.deepEqual(mask, states[2]);
  edit(40, 50, TARGET);
  assert.equal(changes.canRedo, false);
  changes.undo(mask);
  assert.deepEqual(mask, states[2]);
});

test('changes: runs are what differs, and memory stays bounded', () => {
  assert.deepEqual(differences(Uint8Array.of(0, 1, 1, 0, 0, 2), Uint8Array.of(0, 5, 5, 0, 0, 3)).map(({ start, after }) => [start, ...after]),
    [[1, 5, 5], [5, 3]]);
  const changes = new Changes(5000);
  const mask = new Uint8Array(1000);
  for (let i = 1; i < 60; i++) {
    const before = mask.slice();
    mask.fill(i);
    changes.add(before, mask);
    assert.ok(changes.bytes <= 5000);
  }
  assert.ok(changes.undo(mask) && changes.undo(mask));
  assert.equal(mask[0], 57);
  const huge = new Changes(10); // an edit larger than the memory can still be taken back, alone
  huge.add(new Uint8Array(1000), mask);
  assert.equal(huge.canUndo, true);
});

test('drawing: the model it began with goes with the mask, until nothing is left of it', () => {
  const drawing = new Drawing(new Uint8Array(4), 2, 2);
  const paint = (...values) => drawing.edit(({ mask }) => mask.set(values));
  const predicted = Uint8Array.of(TARGET, 0, 0, 0);
  paint(TARGET, 0, 0, 0);
  assert.equal(drawing.began, null);
  drawing.replace(predicted, 'mdl_a'); // no pixel changes
  assert.equal(drawing.began, 'mdl_a');
  paint(TARGET, TARGET, 0, 0);
  assert.equal(drawing.began, 'mdl_a');
  paint(0, 0, NOT_ANNOTATED, 0);
  assert.equal(drawing.began, null);
  paint(0, TARGET, 0, 0);
  assert.equal(drawing.began, null);
  drawing.undo();
  drawing.undo();
  assert.equal(drawing.began, 'mdl_a');
  drawing.redo();
  assert.equal(drawing.began, null);
  drawing.replace(new Uint8Array(4), 'mdl_b'); // a prediction that finds nothing is one
  assert.equal(drawing.began, 'mdl_b');
  drawing.replace(new Uint8Array(4).fill(NOT_ANNOTATED));
  assert.equal(drawing.began, null);
});

test('png: a text stands behind the header, with its checksum', () => {
  const bytes = (text) => [...text].map((letter) => letter.charCodeAt(0));
  const png = Uint8Array.from({ length: 50 }, (_, i) => i);
  const chunk = [0, 0, 0, 9, ...bytes('tEXtTitle\0abc'), 0xfc, 0x9a, 0x79, 0xed];
  assert.deepEqual([...withText(png, 'Title', 'abc')], [...png.subarray(0, 33), ...chunk, ...png.subarray(33)]);
});

test('runs: masks of three values come back, down the columns', () => {
  const at = picture('#?.', '#??');
  const json = encodeMask(at.mask, 3, 2);
  assert.deepEqual(json, {
    size: [2, 3], counts: [0, 2, 4], not_annotated: { size: [2, 3], counts: [2, 2, 1, 1] },
  });
  assert.deepEqual(decodeMask(json), at.mask);
  const plain = picture('..', '.#');
  assert.equal('not_annotated' in encodeMask(plain.mask, 2, 2), false);
  assert.deepEqual(decodeMask(encodeMask(plain.mask, 2, 2)), plain.mask);
  assert.deepEqual(encodeMask(new Uint8Array(4), 2, 2), { size: [2, 2], counts: [4] });
});

test('viewport: zooming keeps the place, fitting shows all, panning never loses the picture', () => {
  const view = new Viewport();
  view.fit({ width: 120, height: 240 }, { width: 800, height: 480 });
  assert.deepEqual([view.scale, view.left, view.top], [2, 280, 0]);
  const before = view.toPicture(333, 111);
  view.zoom(3, 333, 111);
  const after = view.toPicture(333, 111);
  assert.ok(Math.hypot(before.x - after.x, before.y - after.y) < 1e-9 && view.scale === 6);
  view.pan(1e6, -1e6);
  const { x, y } = view.toRoom(0, 240);
  assert.ok(x < 800 && y > 0);
  view.zoom(1e9);
  assert.equal(view.scale, 64);
  view.reveal(60, 120);
  const seen = view.toRoom(60, 120);
  assert.ok(seen.x >= 0 && seen.x <= 800 && seen.y >= 0 && seen.y <= 480);
});

test('viewport: another size of the area keeps what is in the middle, or shows all again', () => {
  const view = new Viewport();
  view.fit({ width: 120, height: 240 }, { width: 800, height: 480 });
  view.resize({ width: 400, height: 240 });
  assert.deepEqual([view.scale, view.left, view.top], [1, 140, 0]);
  view.zoom(8, 200, 120);
  const middle = view.toPicture(200, 120);
  view.resize({ width: 600, height: 300 });
  assert.deepEqual([view.toPicture(300, 150), view.scale], [middle, 8]);
});
