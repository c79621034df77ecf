// Numbers to colours. The diverging map has a dark centre (zero disappears into the black around the
// image) and two arms, blue and rose, that grow lighter evenly and alike: told apart with any colour
// vision, and equal magnitudes are equally bright. After "berlin" of F. Crameri's scientific colour maps.

const ANCHORS = [
  [176, 208, 250], [104, 168, 214], [48, 122, 162], [22, 76, 106], [14, 40, 58],
  [12, 13, 16],
  [66, 20, 10], [120, 42, 20], [178, 82, 60], [224, 140, 122], [255, 196, 184],
];
const MOST_WIDER = 0.25;
const STRAYS = 0.005; // of all pixels
const STEPS = 512; // table entries from -1 to 1

const table = new Uint8Array((STEPS + 1) * 3);
for (let i = 0; i <= STEPS; i++) {
  const place = (i / STEPS) * (ANCHORS.length - 1);
  const low = Math.min(Math.floor(place), ANCHORS.length - 2);
  for (let c = 0; c < 3; c++) {
    table[3 * i + c] = Math.round(ANCHORS[low][c] + (place - low) * (ANCHORS[low + 1][c] - ANCHORS[low][c]));
  }
}

// t in [-1, 1] (clamped) -> [r, g, b].
export function diverging(t) {
  const i = Math.round(((Math.min(1, Math.max(-1, t)) + 1) / 2) * STEPS);
  return [table[3 * i], table[3 * i + 1], table[3 * i + 2]];
}

// Fills rgba (Uint8ClampedArray) with values mapped so that +-limit are the ends.
export function paintSigned(values, limit, rgba) {
  const scale = STEPS / 2 / limit;
  for (let i = 0; i < values.length; i++) {
    const at = 3 * Math.min(STEPS, Math.max(0, Math.round(values[i] * scale + STEPS / 2)));
    rgba[4 * i] = table[at];
    rgba[4 * i + 1] = table[at + 1];
    rgba[4 * i + 2] = table[at + 2];
    rgba[4 * i + 3] = 255;
  }
}

// Fills rgba with gray: low is black, high is white.
export function paintGray(values, low, high, rgba) {
  const scale = 255 / (high - low || 1);
  for (let i = 0; i < values.length; i++) {
    const gray = (values[i] - low) * scale;
    rgba[4 * i] = gray;
    rgba[4 * i + 1] = gray;
    rgba[4 * i + 2] = gray;
    rgba[4 * i + 3] = 255;
  }
}

/**
 * [smallest, largest] value; [0, 1] for none.
 * @returns {[number, number]}
 */
export function range(values) {
  if (!values.length) return [0, 1];
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/**
 * One gray window for an image and what was made of it, so that they compare: the image's own range, its
 * top raised for what is brighter, but by no more than MOST_WIDER of it and not for a few STRAYS, lest they
 * darken everything. The bottom stays: the ground around an organ is black.
 * @returns {[number, number]}
 */
export function sharedWindow(image, made) {
  const [low, high] = range(image);
  const sorted = Float32Array.from(made).sort();
  const most = sorted[Math.round((1 - STRAYS) * (sorted.length - 1))];
  return [low, Math.min(Math.max(high, most), high + (high - low) * MOST_WIDER)];
}

// The end of a scale symmetric about 0: the largest magnitude, but at least `floor`, so that noise alone
// is not stretched to full colour.
export function symmetricLimit(values, floor) {
  const [low, high] = range(values);
  return Math.max(-low, high, floor);
}
