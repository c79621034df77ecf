// Where two answers of one model differ: the mask, and the residual of the healthy translation, which is large
// where a lesion was removed. Measured as the server does for its `disagreement`.

const LEAST = 0.2; // of the model's range: a residual below it is not stretched to certainty
const SOFTENING = 0.01; // part of the pixels

// [H*W]: the largest magnitude of any channel of [C,H,W].
export function magnitudes({ channels, height, width, data }) {
  const size = height * width;
  const largest = new Float32Array(size);
  for (let i = 0; i < channels * size; i++) largest[i % size] = Math.max(largest[i % size], Math.abs(data[i]));
  return largest;
}

// Probabilities [H*W] and a residual [C,H,W] -> { difference: [H*W], from -1 (only the residual sees something)
// to 1 (only the mask does), disagreement: 0 (the same pixels) to 1 (none in common) }.
export function compareWithResidual(probabilities, residual) {
  const sizes = magnitudes(residual);
  const full = Math.max(LEAST, sizes.reduce((most, value) => Math.max(most, value), 0));
  let both = SOFTENING * sizes.length;
  let either = both;
  const difference = sizes.map((size, i) => {
    const share = size / full;
    both += Math.min(probabilities[i], share);
    either += Math.max(probabilities[i], share);
    return probabilities[i] - share;
  });
  return { difference, disagreement: Math.min(Math.max(1 - both / either, 0), 1) };
}
