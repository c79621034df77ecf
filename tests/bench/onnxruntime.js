/* Times an ONNX model of export_onnx.py in ONNX Runtime and compares its answer with PyTorch's.
 * usage: node onnxruntime.js FOLDER THREADS ITERATIONS
 * Prints one JSON object; `difference` is the largest of any output value. */
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const ort = require('onnxruntime-node');

const [folder, threads, iterations] = process.argv.slice(2);

function readFloats(name) {
  const bytes = fs.readFileSync(path.join(folder, name));
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

function largestDifference(a, b) {
  if (a.length !== b.length) throw new Error(`${a.length} values, not ${b.length}`);
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i] - b[i]);
    if (!(difference <= largest)) largest = difference; // NaN is the largest of all
  }
  return largest;
}

async function main() {
  const shape = JSON.parse(fs.readFileSync(path.join(folder, 'shape.json'), 'utf8'));
  const session = await ort.InferenceSession.create(path.join(folder, 'model.onnx'), {
    intraOpNumThreads: Number(threads),
    graphOptimizationLevel: 'all',
  });
  const feeds = { image: new ort.Tensor('float32', readFloats('image.f32'), shape) };
  const first = await session.run(feeds); // also the warm-up
  const difference = largestDifference(first.mask.data, readFloats('mask.f32'));
  const seconds = [];
  for (let i = 0; i < Number(iterations); i++) {
    const start = process.hrtime.bigint();
    await session.run(feeds);
    seconds.push(Number(process.hrtime.bigint() - start) * 1e-9);
  }
  seconds.sort((a, b) => a - b);
  console.log(JSON.stringify({
    seconds_median: seconds[Math.floor(seconds.length / 2)],
    difference,
    version: require('onnxruntime-node/package.json').version,
  }));
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
