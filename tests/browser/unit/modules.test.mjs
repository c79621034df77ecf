// The viewer's pure modules, run by Node's own test runner (see test_modules.py).

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { compareWithResidual } from '../web/agreement.js';
import { thinned, ticks } from '../web/chart.js';
import { diverging, paintGray, paintSigned, sharedWindow, symmetricLimit } from '../web/colormap.js';
import { dice, outline, thresholded } from '../web/mask.js';
import { Marks } from '../web/marks.js';
import { parseNpy } from '../web/npy.js';
import { decodeRle } from '../web/rle.js';
import { EventParser } from '../web/sse.js';
import { bestGrid } from '../web/stage.js';
import { inventory, lacks, nextStep, presetFor, settingsFor, trainable } from '../web/training_plan.js';
import { draggedWindow, Viewport } from '../web/viewport.js';
import { commonName, faultsOf, guessRole, levelsOf, rowOf, windowOf } from '../web/volume_plan.js';

function npy(descr, shape, bytes, { fortran = 'False', version = 1 } = {}) {
  const dict = `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': (${shape}), }\n`;
  const start = version === 1 ? 10 : 12;
  const buffer = new Uint8Array(start + dict.length + bytes.length);
  buffer.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0, dict.length & 255, dict.length >> 8]);
  buffer.set(new TextEncoder().encode(dict), start);
  buffer.set(bytes, start + dict.length);
  return buffer.buffer;
}
const floats = (...values) => new Uint8Array(new Float32Array(values).buffer);

test('npy: float32 and uint8, both header versions', () => {
  const two = parseNpy(npy('<f4', '1, 2', floats(0.5, -3)));
  assert.deepEqual(two.shape, [1, 2]);
  assert.deepEqual([...two.data], [0.5, -3]);
  assert.deepEqual([...parseNpy(npy('|u1', '3,', [1, 2, 255], { version: 2 })).data], [1, 2, 255]);
});

test('npy: refuses what it would misread', () => {
  const bad = [
    [new ArrayBuffer(4), /not an .npy/],
    [npy('<f4', '2, 2', floats(1, 2, 3)), /fewer than the 4/],
    [npy('<c8', '1,', floats(1, 2)), /type <c8/],
    [npy('<f4', '1,', floats(1), { fortran: 'True' }), /Fortran/],
    [npy('<f4', '-1,', floats(1)), /shape/],
    [npy('<f4', '1,', floats(1)).slice(0, 40), /cut short/],
  ];
  for (const [buffer, message] of bad) assert.throws(() => parseNpy(buffer), message);
});

test('rle: counts down the columns, plain and packed', () => {
  // Columns of a 2 x 3 mask: 01 11 00
  const expected = [0, 1, 0, 1, 1, 0];
  assert.deepEqual([...decodeRle({ size: [2, 3], counts: [1, 3, 2] })], expected);
  assert.deepEqual([...decodeRle({ size: [2, 3], counts: '132' })], expected);
});

test('rle: packed counts above 31 and differences below zero', () => {
  // pycocotools packs [40, 1, 4, 3, 2] as 40, 1, 4, 3-1, 2-4.
  const packed = 'X1142N';
  const mask = decodeRle({ size: [50, 1], counts: packed });
  assert.deepEqual([...mask].flatMap((bit, i) => (bit ? [i] : [])), [40, 45, 46, 47]);
});

test('rle: refuses wrong sums', () => {
  assert.throws(() => decodeRle({ size: [2, 2], counts: [1, 2] }), /fewer/);
  assert.throws(() => decodeRle({ size: [2, 2], counts: [1, 9] }), /more/);
  assert.throws(() => decodeRle({ size: [2, 2], counts: [4, -1, 1] }), /more/);
  assert.throws(() => decodeRle({ size: [2, 2], counts: 'X' }), /cut short/);
});

function lightness([r, g, b]) {
  const linear = (v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const y = 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  return y > 0.008856 ? 116 * Math.cbrt(y) - 16 : 903.3 * y;
}

test('colour map: lighter with magnitude, both arms alike, blue below and red above zero', () => {
  for (let t = 0.1; t <= 1; t += 0.1) {
    assert.ok(lightness(diverging(t)) > lightness(diverging(t - 0.1)), `positive ${t}`);
    assert.ok(lightness(diverging(-t)) > lightness(diverging(0.1 - t)), `negative ${t}`);
    assert.ok(Math.abs(lightness(diverging(t)) - lightness(diverging(-t))) < 4, `both ${t}`);
    assert.ok(diverging(t)[0] > diverging(t)[2] && diverging(-t)[2] > diverging(-t)[0]);
  }
  assert.deepEqual(diverging(-7), diverging(-1));
});

test('painting: signed and gray', () => {
  const rgba = new Uint8ClampedArray(12);
  paintSigned([-2, 0, 1], 2, rgba);
  assert.deepEqual([...rgba.slice(0, 3)], diverging(-1));
  assert.deepEqual([...rgba.slice(4, 8)], [...diverging(0), 255]);
  assert.deepEqual([...rgba.slice(8, 11)], diverging(0.5));
  paintGray([0, 1, 5], 0, 1, rgba);
  assert.deepEqual([rgba[0], rgba[4], rgba[8]], [0, 255, 255]);
  paintGray([3, 3, 3], 3, 3, rgba);
  assert.equal(rgba[0], 0);
});

test('symmetric limit: the larger side, never below the floor', () => {
  assert.equal(symmetricLimit([-3, 1], 0.1), 3);
  assert.equal(symmetricLimit([0.01], 0.1), 0.1);
});

test('shared window: raised for what is brighter, but not for strays', () => {
  assert.deepEqual(sharedWindow([0, 1], [0.2, 0.9]), [0, 1]);
  assert.deepEqual(sharedWindow([0, 1], [-0.125, 1.125]), [0, 1.125]);
  assert.deepEqual(sharedWindow([0, 1], [-9, 9]), [0, 1.25]);
  assert.deepEqual(sharedWindow([0, 1], [...Array(999).fill(0.5), 9]), [0, 1]);
});

test('masks: threshold, area and Dice without what is not annotated', () => {
  const { mask, area } = thresholded([0.2, 0.6, 0.9, 0.5], 0.5);
  assert.deepEqual([...mask], [0, 1, 1, 0]);
  assert.equal(area, 2);
  assert.equal(dice(mask, [0, 255, 0, 0]), 2 / 3);
  assert.equal(dice(mask, [0, 255, 127, 0]), 1);
  assert.equal(dice([0, 0], [0, 127]), 1);
});

test('outline: the border along pixel edges', () => {
  assert.equal(outline([0, 0, 0, 0, 1, 1, 0, 0, 0], 3, 3), 'M1 1H3M1 2H3M1 1V2M3 1V2');
  assert.equal(outline([1], 1, 1), 'M0 0H1M0 1H1M0 0V1M1 0V1');
  assert.equal(outline([0, 0], 2, 1), '');
});

test('events: fields, comments, several lines, any cut', () => {
  const text = 'retry: 2000\n\n: hello\nid: 7\nevent: progress\ndata: {"a":\ndata: 1}\n\nevent: state\r\ndata: x\r\n\r\n';
  const expected = [
    { id: '7', name: 'progress', data: '{"a":\n1}' },
    { id: '7', name: 'state', data: 'x' },
  ];
  for (let cut = 0; cut <= text.length; cut++) {
    const parser = new EventParser();
    assert.deepEqual([...parser.feed(text.slice(0, cut)), ...parser.feed(text.slice(cut))], expected);
  }
});

test('chart: round ticks, and thinning keeps the peaks', () => {
  assert.deepEqual(ticks(0, 1, 5), [0, 0.2, 0.4, 0.6000000000000001, 0.8, 1]);
  assert.deepEqual(ticks(-0.9, 0.1, 2), [-0.5, 0]);
  const points = Array.from({ length: 5000 }, (_, i) => [i, i === 2500 ? 9 : Math.sin(i)]);
  const kept = thinned(points, 200);
  assert.ok(kept.length <= 200 && kept.some(([, y]) => y === 9));
  assert.ok(kept.every(([x], i) => i === 0 || x > kept[i - 1][0]));
});

test('stage: the grid with the largest pictures', () => {
  assert.equal(bestGrid(4, 0.5, 960, 540, 66).columns, 4);
  assert.equal(bestGrid(4, 1, 700, 760, 66).columns, 2);
  const { width, height } = bestGrid(4, 0.5, 1600, 900, 66);
  assert.ok(Math.abs(height - 2 * width) <= 2);
});

test('training: what data lacks for each method, and what to do next', () => {
  const training = { presence: 40, absence: 0, annotated_presence: 2 };
  assert.deepEqual(lacks('genseg', training), ['absence']);
  assert.deepEqual(trainable(training), ['segmentation_only', 'mean_teacher']);
  assert.deepEqual(inventory('mean_teacher', training).map(({ kind, state }) => [kind, state]),
    [['presence', 'enough'], ['annotated_presence', 'few'], ['absence', 'unused']]);
  const counts = (change, unknown = 0) => ({ slices: 50, unknown, training: { ...training, ...change } });
  assert.equal(nextStep({ slices: 0, unknown: 0, training }).to, 'upload');
  assert.equal(nextStep(counts({ presence: 0 }, 3)).to, 'label');
  assert.equal(nextStep(counts({ annotated_presence: 0 })).to, 'annotate');
  assert.equal(nextStep(counts({}, 3)).to, 'label');
  assert.equal(nextStep(counts({}, 0)).to, 'upload');
  assert.equal(nextStep(counts({ absence: 40 })).to, 'annotate');
  assert.match(nextStep(counts({ absence: 40, annotated_presence: 9 }, 7)).text, /^7 slices/);
  assert.doesNotMatch(nextStep(counts({ absence: 40, annotated_presence: 9 })).text, /suggested/); // docs/suggestions.md
});

test('training: settings fit the images and the effort', () => {
  assert.equal(presetFor({ channels: 1, height: 240, width: 120 }), 'brain');
  assert.equal(presetFor({ channels: 1, height: 256, width: 256 }), 'liver');
  assert.equal(presetFor({ channels: 1, height: 64, width: 32 }), 'synthetic48');
  assert.equal(settingsFor('quick', 'brain').weights.seg, 5);
  assert.equal(settingsFor('thorough', 'synthetic48').weights.seg, 20);
  assert.ok(settingsFor('thorough', 'brain').budget[1] > settingsFor('quick', 'brain').budget[1]);
});

test('volumes: what files are, by their names', () => {
  assert.equal(guessRole('BraTS_001_seg.nii.gz', 'brain'), 'label');
  assert.equal(guessRole('liver.nii', 'liver'), 'organ');
  assert.equal(guessRole('liver.nii', 'plain'), 'image');
  assert.equal(guessRole('maskless_t1.nii', 'brain'), 'image');
  assert.equal(commonName(['p7_t1.nii.gz', 'p7_t2.nii.gz', 'p7_seg.nii']), 'p7');
  assert.equal(commonName(['p7.a.nii.gz']), 'p7.a');
  assert.equal(commonName(['a.nii', 'b.nii']), '');
});

test('volumes: what is wrong with files, and which one a refusal is about', () => {
  const rows = [{ role: 'label', name: 'a.nii' }, { role: 'image', name: 'b.nii' }, { role: 'label', name: 'c.nii' }, { role: 'image', name: 'd.txt' }];
  const faults = faultsOf(rows, { isOneScan: true });
  assert.deepEqual([...faults.keys()].sort(), [2, 3]);
  assert.deepEqual([...faultsOf(rows, { isOneScan: false }).keys()], [3]);
  assert.ok(faultsOf([{ role: 'label', name: 'a.nii' }], { isOneScan: true }).has('all'));
  assert.ok(faultsOf([], { isOneScan: true }).has('all'));
  assert.equal(rowOf(new Error('channel 1: no NIfTI'), rows), 3);
  assert.equal(rowOf(new Error('part "label": 4D'), rows), 0);
  assert.equal(rowOf(new Error('the disk is full'), rows), -1);
});

test('volumes: levels from the bottom up, halves together', () => {
  const levels = levelsOf([{ index: 9, part: 'left' }, { index: 4, part: null }, { index: 9, part: 'right' }]);
  assert.deepEqual(levels.map(({ level, slices }) => [level, slices.map(({ part }) => part)]), [[4, [null]], [9, ['right', 'left']]]);
});

test('volumes: the window leaves the ground and a few bright voxels out', () => {
  const plane = Float32Array.from({ length: 2000 }, (_, i) => (i < 1000 ? -1 : i === 1999 ? 50 : (i - 1000) / 1000));
  const [low, high] = windowOf([plane]);
  assert.ok(low > -0.1 && low < 0.05 && high > 0.9 && high < 1);
  assert.deepEqual(windowOf([new Float32Array(4).fill(3)]), [3, 4]);
  assert.deepEqual(windowOf([]), [0, 1]);
});

test('viewport: what is under the pointer stays, and no side of the frame is left empty', () => {
  const viewport = new Viewport(() => {});
  const under = (x) => viewport.x + (x - 0.5) / viewport.zoom;
  viewport.zoomBy(4, 0.75, 0.5);
  assert.ok(Math.abs(under(0.75) - 0.75) < 1e-12);
  viewport.pan(10, -10);
  assert.deepEqual([viewport.x, viewport.y], [0.125, 0.875]);
  assert.deepEqual(viewport.properties, { '--zoom': '4', '--shift-x': '0%', '--shift-y': '-300%' });
  viewport.zoomBy(0.01);
  assert.deepEqual([viewport.zoom, viewport.x, viewport.y], [1, 0.5, 0.5]);
});

test('window: sideways widens, downwards raises the level, and neither runs away', () => {
  assert.deepEqual(draggedWindow([0, 1], [0, 1], 0.5, 0), [-0.5, 1.5]);
  assert.deepEqual(draggedWindow([0, 1], [0, 1], 0, 0.25), [0.25, 1.25]);
  const [low, high] = draggedWindow([0, 1], [0, 1], -100, 0);
  assert.ok(high > low);
  assert.deepEqual(draggedWindow([0, 1], [0, 1], 100, 100), [0, 4]);
});

test('agreement of mask and residual: nothing to tell apart, and nothing in common', () => {
  const residual = (...data) => ({ channels: 2, height: 1, width: data.length / 2, data });
  const same = compareWithResidual([1, 0, 0], residual(0.4, 0, 0, 0, 0, 0));
  assert.equal(same.disagreement, 0);
  assert.deepEqual([...same.difference], [0, 0, 0]);
  const other = compareWithResidual([1, 0, 0], residual(0, 0, 0, 0, -0.4, 0)); // a magnitude, in another channel
  assert.deepEqual([...other.difference], [1, -1, 0]);
  assert.ok(other.disagreement > 0.9);
  assert.ok(compareWithResidual([0, 0], residual(0.02, 0, 0, 0)).difference[0] > -0.11); // a weak residual stays weak
});

test('marks: one, a range in either direction, one more and one less, never none', () => {
  const marks = new Marks();
  marks.only(5);
  marks.extendTo(3);
  assert.deepEqual(marks.all, [3, 4, 5]);
  marks.extendTo(7);
  assert.deepEqual(marks.all, [5, 6, 7]);
  marks.toggle(6);
  assert.deepEqual(marks.all, [5, 7]);
  marks.extendTo(8); // from the last one clicked
  assert.deepEqual(marks.all, [6, 7, 8]);
  marks.only(1);
  marks.toggle(1);
  assert.deepEqual(marks.all, [1]);
});
