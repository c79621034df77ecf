// Masks: thresholds, areas, Dice and outlines. Pure functions on row-by-row arrays.

export const NOT_ANNOTATED = 127; // in annotations; 0 is background, 255 the target

// Probabilities -> { mask: Uint8Array of 0 and 1, area: pixels }.
export function thresholded(probabilities, threshold) {
  const mask = new Uint8Array(probabilities.length);
  let area = 0;
  for (let i = 0; i < mask.length; i++) {
    if (probabilities[i] > threshold) {
      mask[i] = 1;
      area++;
    }
  }
  return { mask, area };
}

// Dice of a mask of 0 and 1 against an annotation, over annotated pixels; 1 where both are empty.
export function dice(mask, annotation) {
  let both = 0;
  let sum = 0;
  for (let i = 0; i < mask.length; i++) {
    if (annotation[i] === NOT_ANNOTATED) continue;
    const truth = annotation[i] > NOT_ANNOTATED ? 1 : 0;
    both += mask[i] & truth;
    sum += mask[i] + truth;
  }
  return sum ? (2 * both) / sum : 1;
}

// The border between inside (non-zero) and outside along pixel edges, as an SVG path in pixels.
export function outline(mask, width, height) {
  const inside = (x, y) => x >= 0 && y >= 0 && x < width && y < height && mask[y * width + x] !== 0;
  const parts = [];
  for (let y = 0; y <= height; y++) {
    for (let x = 0; x < width; x++) {
      if (inside(x, y - 1) === inside(x, y)) continue;
      const start = x;
      while (x < width && inside(x, y - 1) !== inside(x, y)) x++;
      parts.push(`M${start} ${y}H${x}`);
    }
  }
  for (let x = 0; x <= width; x++) {
    for (let y = 0; y < height; y++) {
      if (inside(x - 1, y) === inside(x, y)) continue;
      const start = y;
      while (y < height && inside(x - 1, y) !== inside(x, y)) y++;
      parts.push(`M${x} ${start}V${y}`);
    }
  }
  return parts.join('');
}
