// COCO run-length encoding of masks: runs of 0 and 1 in turn, down the columns. `counts` is a list of
// run lengths, or the same list packed into a string (pycocotools' form).

function unpack(text) {
  const counts = [];
  let at = 0;
  while (at < text.length) {
    let value = 0;
    let shift = 0;
    let more = true;
    while (more) {
      if (at >= text.length) throw new Error('the packed mask is cut short');
      const six = text.charCodeAt(at++) - 48;
      value += (six & 0x1f) * 2 ** shift;
      more = (six & 0x20) !== 0;
      shift += 5;
      if (!more && six & 0x10) value -= 2 ** shift;
    }
    // From the third on, a run is stored as the difference to the run before the last.
    counts.push(counts.length > 2 ? value + counts[counts.length - 2] : value);
  }
  return counts;
}

// {size: [h, w], counts} -> Uint8Array of h*w zeros and ones, row by row.
export function decodeRle(rle) {
  const [height, width] = rle.size;
  const counts = typeof rle.counts === 'string' ? unpack(rle.counts) : rle.counts;
  const mask = new Uint8Array(height * width);
  let at = 0;
  let bit = 0;
  for (const run of counts) {
    if (!(run >= 0) || at + run > mask.length) throw new Error('the mask has more pixels than its size');
    if (bit) {
      for (let i = at; i < at + run; i++) mask[(i % height) * width + Math.floor(i / height)] = 1;
    }
    at += run;
    bit ^= 1;
  }
  if (at !== mask.length) throw new Error('the mask has fewer pixels than its size');
  return mask;
}
