// Which pixels a stroke, a polygon or a fill touches. Pure functions; (x, y) are in pixels of the picture, the
// centre of pixel 0 being at 0.5. A mask is a Uint8Array of height * width, row by row.

export const BACKGROUND = 0;
export const NOT_ANNOTATED = 127;
export const TARGET = 255;

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

// Sets every pixel whose centre is within the radius of the segment from a to b; the radius goes from a.radius to
// b.radius along it. The pixel under either end is always set, so that a brush thinner than a pixel draws.
export function drawSegment({ mask, width, height }, a, b, value) {
  const most = Math.max(a.radius, b.radius);
  const left = clamp(Math.floor(Math.min(a.x, b.x) - most), 0, width);
  const right = clamp(Math.ceil(Math.max(a.x, b.x) + most), 0, width);
  const top = clamp(Math.floor(Math.min(a.y, b.y) - most), 0, height);
  const bottom = clamp(Math.ceil(Math.max(a.y, b.y) + most), 0, height);
  const dx = b.x - a.x;
  const dy = b.y - a.y;
  const square = dx * dx + dy * dy;
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      const px = x + 0.5 - a.x;
      const py = y + 0.5 - a.y;
      const along = square ? clamp((px * dx + py * dy) / square, 0, 1) : 0;
      const radius = a.radius + along * (b.radius - a.radius);
      const offX = px - along * dx;
      const offY = py - along * dy;
      if (offX * offX + offY * offY <= radius * radius) mask[y * width + x] = value;
    }
  }
  for (const { x, y } of [a, b]) {
    const column = Math.floor(x);
    const row = Math.floor(y);
    if (column >= 0 && row >= 0 && column < width && row < height) mask[row * width + column] = value;
  }
}

// Sets the pixels whose centres are inside the closed polygon (even-odd rule). points: [{ x, y }, ...].
export function fillPolygon({ mask, width, height }, points, value) {
  for (let row = 0; row < height; row++) {
    const y = row + 0.5;
    const crossings = [];
    for (let i = 0; i < points.length; i++) {
      const a = points[i];
      const b = points[(i + 1) % points.length];
      if ((a.y <= y) !== (b.y <= y)) crossings.push(a.x + ((y - a.y) / (b.y - a.y)) * (b.x - a.x));
    }
    crossings.sort((a, b) => a - b);
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const from = clamp(Math.ceil(crossings[i] - 0.5), 0, width);
      const to = clamp(Math.ceil(crossings[i + 1] - 0.5), 0, width);
      mask.fill(value, row * width + from, row * width + to);
    }
  }
}

// The indices that are reached from (x, y) over sides of pixels for which belongs(index) is true.
export function region({ width, height }, x, y, belongs) {
  const start = y * width + x;
  if (x < 0 || y < 0 || x >= width || y >= height || !belongs(start)) return [];
  const seen = new Uint8Array(width * height);
  const found = [start];
  seen[start] = 1;
  const visit = (i) => {
    if (seen[i] || !belongs(i)) return;
    seen[i] = 1;
    found.push(i);
  };
  for (let at = 0; at < found.length; at++) {
    const i = found[at];
    const column = i % width;
    if (column > 0) visit(i - 1);
    if (column + 1 < width) visit(i + 1);
    if (i >= width) visit(i - width);
    if (i + width < width * height) visit(i + width);
  }
  return found;
}

// How many pixels there are of each value: { target, background, unknown }.
export function countsOf(mask) {
  let target = 0;
  let unknown = 0;
  for (const value of mask) {
    if (value === TARGET) target++;
    else if (value === NOT_ANNOTATED) unknown++;
  }
  return { target, unknown, background: mask.length - target - unknown };
}
